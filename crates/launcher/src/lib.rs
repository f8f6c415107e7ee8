//! Finding a CPython and reading its command line.
