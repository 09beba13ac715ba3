"""The project's own benchmark: `python -m bench`. Needs Linux and a C compiler."""
