//! The private layout of CPython 3.13.
