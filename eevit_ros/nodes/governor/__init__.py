"""The node `speed_governor`: the adaptive rate in, a speed limit or velocity commands out.

`node` runs it; `inputs` and `outputs` are its topics, `command_scaler` drives robots without Nav2,
`floor_delivery` makes sure that the first limit a controller receives is the floor. One of a pair
is the other's warm standby: `partner` hears it, `turn` decides who speaks.
May import: nodes, parameters, perception, speed, settings, errors.
Face: `node.main`, the executable.
"""
