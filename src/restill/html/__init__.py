"""Build pages that people can send: one HTML file each, with its pictures inside, that asks for nothing else."""
