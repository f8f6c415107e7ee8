//! Executors: superblocks that can be run, with their exits.
//!
//! # Life
//! An executor is reference-counted. References are held by the place in code where it is attached, by the exits that lead to it,
//! and by whoever runs it. Exits of executors refer to each other in cycles; these are broken when an executor becomes
//! invalid, which every executor does before it can be freed: it loses its place and the targets of its exits then.
//!
//! Becoming invalid is a flag that can be set at any time, also in the middle of a run: the executor notices at its next
//! `check_validity` or `guard_landed`, leaves, and is freed when the one who ran it lets go.
//!
//! Freeing runs no Python code: references to objects, and to other executors, go to the [graveyard](crate::graph::bury).

use crate::exits::Exit;
use crate::graph;
use core::cell::{Cell, RefCell};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_ir::InvalidationReason;
use hotspur_recorder::{Place, Trace};
use hotspur_tier1::code::Word;
use std::rc::Rc;

/// How executors are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// By the tier 2 interpreter.
    Interpreter,
}

/// An executor; see the module's documentation.
#[derive(Debug)]
pub struct Executor {
    /// Its number, which no other ever has.
    pub id: u64,
    /// What was recorded.
    pub trace: Trace,
    /// Its exits, by number.
    pub exits: Box<[Exit]>,
    /// The largest number of frames that it has on top of each other.
    pub most_frames: usize,
    /// How it is run.
    pub engine: Engine,
    /// References that it holds, see [`hotspur_recorder::Keep::Hold`].
    held: Vec<*mut PyObject>,
    /// Why it is invalid, if it is.
    invalid: Cell<Option<InvalidationReason>>,
    /// Whether it was entered since the last sweep.
    pub(crate) warm: Cell<bool>,
    /// How many activations run it.
    pub(crate) running: Cell<u32>,
    /// How often it was run.
    pub(crate) runs: Cell<u64>,
    /// Where it is attached, if it can be found by place.
    pub(crate) place: Cell<Option<Place>>,
    /// Words of the stream that enter it, by index, with what stood there before.
    pub(crate) words: RefCell<Vec<(usize, Word)>>,
}

impl Executor {
    /// A valid executor that is not attached anywhere. `held` are references that pass to it.
    pub(crate) fn new(id: u64, trace: Trace, engine: Engine, held: Vec<*mut PyObject>) -> Rc<Executor> {
        let superblock = &trace.superblock;
        let exits: Box<[Exit]> = superblock.exits().map(|e| Exit::new(superblock, e)).collect();
        let most_frames = superblock.snapshots.values().map(|s| s.frames.len()).max().unwrap_or(1);
        Rc::new(Executor {
            id,
            exits,
            most_frames,
            engine,
            held,
            trace,
            invalid: Cell::new(None),
            warm: Cell::new(true),
            running: Cell::new(0),
            runs: Cell::new(0),
            place: Cell::new(None),
            words: RefCell::new(Vec::new()),
        })
    }

    /// Whether it may be entered, and go on running.
    #[inline(always)]
    pub fn is_valid(&self) -> bool {
        self.invalid.get().is_none()
    }

    /// Why it is invalid.
    pub fn invalid_reason(&self) -> Option<InvalidationReason> {
        self.invalid.get()
    }

    /// Sets the reason, unless there is one already. Whether it was valid before.
    pub(crate) fn mark_invalid(&self, reason: InvalidationReason) -> bool {
        let was_valid = self.is_valid();
        if was_valid {
            self.invalid.set(Some(reason));
        }
        was_valid
    }

    /// How often it was run.
    pub fn runs(&self) -> u64 {
        self.runs.get()
    }

    /// Where it is attached, if it can be found by place.
    pub fn place(&self) -> Option<Place> {
        self.place.get()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        for exit in &self.exits {
            graph::bury_executor(exit.take_target());
        }
        graph::bury(core::mem::take(&mut self.held));
        graph::forget(self.id);
    }
}
