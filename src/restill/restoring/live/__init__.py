"""Rain out of a running camera: ``restill live``. No torch.

    camera (thread) --newest frames--> model (the caller's thread) --restored frames--> writer (thread)

No queue grows: a frame that would come too late is dropped and counted.
"""
