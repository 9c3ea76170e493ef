"""Commands for those who work on this repository; nothing installed imports them."""
