"""Restore a video, a folder of frames or a picture: the job, the choice of the model, and the names of outputs."""
