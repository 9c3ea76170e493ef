"""How fast the robot may go: the rate from the network's answers, and the limit for navigation.

Plain Python and arithmetic; knows no ROS and no pictures.
May import: settings, errors.
Face: `rate.RateLaw`, `rate.RateSettings`, `limit.SpeedLimit`, `limit.LimitSettings`.
"""
