//! Deciding, on the values that an instruction sees, which specialization it becomes. One file per family.
