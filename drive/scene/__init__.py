"""What the simulated robot drives past: the path, its light and signs, the pictures and the camera.

May import: drive.robot, drive.errors; demo.scene.
Face: `world.make_world`, `camera.photograph`, `pictures.read_pictures`, `signs.SignLog`.
"""
