//! How far a recording goes.

/// Limits of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Instructions of tier 1. A trace that gets longer ends there, and is continued by another.
    pub instructions: u32,
    /// Micro-ops, as above.
    pub ops: usize,
    /// Micro-ops, after which a call of a function is linked to the executor that begins there, if there is one, instead of becoming part of the
    /// trace; and a trace that began at a function's entry ends when that returns.
    pub inlined_ops: usize,
    /// Frames above the one where the trace begins, as above.
    pub depth: usize,
    /// How often the same code may be among these frames, as above.
    pub recursion: usize,
    /// How often a loop that is not the trace's own is gone round, as above.
    pub inner_rounds: u32,
    /// A trace of fewer instructions that ends for one of these reasons is given up: there is too little in it.
    pub useful: u32,
    /// Slots of a snapshot; more end the recording.
    pub snapshot_slots: usize,
    /// Constants, as above.
    pub constants: usize,
    /// Exits, as above.
    pub exits: usize,
    /// Instructions that may run in between, in activations that C code called by the trace began, before the recording is given up.
    pub foreign: u32,
    /// For how many kinds of operands of an instruction there may be alternatives. What has met more is left to tier 1.
    pub kinds: u32,
    /// How deep C calls may be nested for a function that is not known to be called in an activation of its own.
    pub inner_calls: i32,
    /// Check mode: after each instruction, the recorder's frames are compared with the real ones.
    pub check: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            instructions: 2000,
            ops: 20_000,
            inlined_ops: 20_000,
            depth: 12,
            recursion: 2,
            inner_rounds: 1,
            useful: 8,
            snapshot_slots: 1000,
            constants: 2000,
            exits: 10_000,
            foreign: 4_000,
            kinds: 8,
            inner_calls: 100,
            check: cfg!(debug_assertions),
        }
    }
}
