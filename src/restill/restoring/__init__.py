"""Restore a video, a folder of frames or a picture: the job, the choice of the student, the names of outputs."""
