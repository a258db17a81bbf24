"""What counts as blank."""

BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # what str.strip() takes off
