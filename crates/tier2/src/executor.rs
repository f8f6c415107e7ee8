//! Executors: superblocks that can be run, with their exits.
//!
//! # Life
//! An executor is reference-counted. References are held by the place in code where it is attached, by the exits that lead to it,
//! and by whoever runs it. Exits of executors refer to each other in cycles; these are broken when an executor becomes
//! invalid, which every executor does before it can be freed: it loses its place and the targets of its exits then.
//!
//! Becoming invalid is a flag that can be set at any time, also in the middle of a run: the executor notices at its next
//! `check_validity` or `guard_landed`, and leaves.
//!
//! Machine code goes from one executor to the next without counting references: which executor an activation runs is written in its
//! [`hotspur_codegen::ExecState`], by the executor's own code. So the last reference to an executor is only ever dropped by the
//! graveyard, and not while an activation runs it.
//!
//! Freeing runs no Python code: references to objects, and to other executors, go to the [graveyard](crate::graph::bury).

use crate::exits::Exit;
use crate::graph;
use crate::jit::MachineCode;
use crate::losing::Books;
use crate::optimize::Prepared;
use crate::runtime::Plan;
use crate::stats::{self, Stats};
use core::cell::{Cell, OnceCell, RefCell};
use core::ffi::c_void;
use cranelift_entity::EntityRef;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_ir::{ExitId, InvalidationReason, SnapshotId, Superblock};
use hotspur_recorder::{Place, Trace};
use hotspur_tier1::code::Word;
use std::rc::Rc;

/// An executor; see the module's documentation.
#[derive(Debug)]
pub struct Executor {
    /// Its number, which no other ever has.
    pub id: u64,
    /// What was recorded.
    recorded: Trace,
    /// What it executes, as soon as that is known: while the optimizer is at work it is not.
    body: OnceCell<Body>,
    /// Its machine code, if it is run as such; otherwise the tier 2 interpreter runs it.
    code: OnceCell<MachineCode>,
    /// Not zero while it may go on running: what machine code tests. It is valid, no tool is active, and no trial is under way in which executors
    /// do not run just now.
    pub(crate) go: Cell<u8>,
    /// References that it holds, see [`hotspur_recorder::Keep::Hold`].
    held: Vec<*mut PyObject>,
    /// Where its machine code begins; null if it has none, or can only be linked to, with arguments.
    pub(crate) entry: Cell<*const u8>,
    /// Why it is invalid, if it is.
    invalid: Cell<Option<InvalidationReason>>,
    /// Whether it was entered since the last sweep.
    pub(crate) warm: Cell<bool>,
    /// How many activations run it in the tier 2 interpreter. (Those that run its machine code are known to
    /// [`crate::jit::run::is_active`].)
    pub(crate) running: Cell<u32>,
    /// How often it was run.
    pub(crate) runs: Cell<u64>,
    /// How often its loop went round completely.
    pub(crate) rounds: Cell<u64>,
    /// How often it had been run, and the ticks that it had executed, when that was last asked for.
    ticks: Cell<(u64, u64)>,
    /// The executor and the exit that it grows from, if it takes over from there as a bridge.
    pub(crate) grown_from: Cell<Option<(u64, usize)>>,
    /// How many executors are between this one and the first that began at this instruction, each being the alternative to the one
    /// before.
    pub(crate) alternative: Cell<u32>,
    /// How many were no good in a row where it was recorded from.
    pub(crate) losses: Cell<u32>,
    /// Runs, and how many of them left for the next alternative, when that was last looked at.
    pub(crate) left_unused: Cell<Option<[u64; 2]>>,
    /// Whether entering it is worth it.
    pub(crate) books: Books,
    /// Where it is attached, if it can be found by place.
    pub(crate) place: Cell<Option<Place>>,
    /// Exits that have been led to it: numbers of executors and of their exits. They need not lead here any more.
    incoming: RefCell<Vec<(u64, usize)>>,
    /// Words of the stream that enter it, by index, with what stood there before.
    pub(crate) words: RefCell<Vec<(usize, Word)>>,
}

/// What an executor executes.
#[derive(Debug)]
struct Body {
    trace: Trace,
    exits: Box<[Exit]>,
    most_frames: usize,
    /// Whether the optimizer has had it.
    optimized: bool,
    /// How many ticks are done when each exit is taken; see [`Exit::instructions`].
    ticks_at_exits: Box<[u32]>,
}

impl Executor {
    /// A valid executor that is not attached anywhere, of what was recorded. `held` are references that pass to it. It cannot be run until
    /// it is [prepared](Executor::prepare).
    pub(crate) fn new(id: u64, recorded: Trace, held: Vec<*mut PyObject>) -> Rc<Executor> {
        Rc::new(Executor {
            id,
            recorded,
            body: OnceCell::new(),
            code: OnceCell::new(),
            go: Cell::new(1),
            held,
            invalid: Cell::new(None),
            warm: Cell::new(true),
            running: Cell::new(0),
            runs: Cell::new(0),
            rounds: Cell::new(0),
            ticks: Cell::new((0, 0)),
            entry: Cell::new(core::ptr::null()),
            grown_from: Cell::new(None),
            alternative: Cell::new(0),
            losses: Cell::new(0),
            left_unused: Cell::new(None),
            books: Books::default(),
            place: Cell::new(None),
            incoming: RefCell::new(Vec::new()),
            words: RefCell::new(Vec::new()),
        })
    }

    /// What it is to execute is known: what became of the recording.
    pub(crate) fn prepare(&self, prepared: Prepared) {
        let Prepared { superblock, objects, exits, optimized, time: _ } = prepared;
        let most_frames = superblock.snapshots.values().map(|s| s.frames.len()).max().unwrap_or(1);
        // The recording itself stays as it is, for whoever wants to see it.
        let Trace { superblock: _, objects: _, held, codes, executors, dependencies, entry, inherits, ticks } =
            &self.recorded;
        let trace = Trace {
            superblock,
            objects,
            held: held.clone(),
            codes: codes.clone(),
            executors: executors.clone(),
            dependencies: dependencies.clone(),
            entry: *entry,
            inherits: *inherits,
            ticks: ticks.clone(),
        };
        let ticks_at_exits = exits.iter().map(|exit| trace.ticks_in(exit.instructions)).collect();
        let set = self.body.set(Body { trace, exits, most_frames, optimized, ticks_at_exits });
        debug_assert!(set.is_ok());
    }

    /// What it executes; if that is not known yet, what was recorded.
    #[inline(always)]
    pub fn trace(&self) -> &Trace {
        self.body.get().map_or(&self.recorded, |body| &body.trace)
    }

    /// The superblock as it was recorded, if the optimizer has looked at it since.
    pub fn recorded(&self) -> Option<&Superblock> {
        self.body.get().filter(|body| body.optimized).map(|_| &self.recorded.superblock)
    }

    /// Its exits, by number; none as long as it is not known what it executes.
    #[inline(always)]
    pub fn exits(&self) -> &[Exit] {
        self.body.get().map_or(&[], |body| &body.exits)
    }

    /// The largest number of frames that it has on top of each other.
    pub fn most_frames(&self) -> usize {
        self.body.get().map_or(1, |body| body.most_frames)
    }

    /// Whether it still does what the program does; if not, it is never entered again.
    #[inline(always)]
    pub fn is_valid(&self) -> bool {
        self.invalid.get().is_none()
    }

    /// Whether it may go on running: it is valid, and nobody has stopped it for the time being.
    #[inline(always)]
    pub fn is_going(&self) -> bool {
        self.go.get() != 0
    }

    /// Why it is invalid.
    pub fn invalid_reason(&self) -> Option<InvalidationReason> {
        self.invalid.get()
    }

    /// Sets the reason. It was valid before.
    pub(crate) fn mark_invalid(&self, reason: InvalidationReason) {
        self.invalid.set(Some(reason));
        self.go.set(0);
    }

    /// Whether it is run as machine code.
    pub fn has_code(&self) -> bool {
        self.code.get().is_some()
    }

    /// Its machine code, which it has.
    pub(crate) fn code(&self) -> &MachineCode {
        self.code.get().expect("only executors that have machine code are run as such")
    }

    /// How machine code that it has shows the frames of a snapshot, if there is a plan for that.
    pub(crate) fn plan(&self, snapshot: SnapshotId) -> Option<&Plan> {
        let code = self.code();
        let plan = code.plans[snapshot.index()]
            .get_or_init(|| Plan::of(&self.trace().superblock.snapshots[snapshot], &code.snapshots[snapshot]));
        plan.as_ref()
    }

    /// Bytes of machine code; zeros if it has none.
    pub fn code_sizes(&self) -> hotspur_codegen::Sizes {
        self.code.get().map(|code| code.sizes).unwrap_or_default()
    }

    pub(crate) fn set_code(&self, code: MachineCode) {
        if self.trace().superblock.params.is_empty() && !self.trace().inherits {
            self.entry.set(code.entry());
        }
        let set = self.code.set(code);
        debug_assert!(set.is_ok());
    }

    /// The number of an exit, given its address.
    pub(crate) fn number_of_exit(&self, exit: *const c_void) -> usize {
        (exit.addr() - self.exits().as_ptr().addr()) / size_of::<Exit>()
    }

    /// Leads one of its exits to another executor.
    pub(crate) fn lead(&self, exit: usize, target: Rc<Executor>) {
        target.incoming.borrow_mut().push((self.id, exit));
        self.exits()[exit].set_target(target);
    }

    /// Has the exits that lead here lead to the host again. They count anew, and if this is a loss for them, they note it.
    pub(crate) fn cut_off(&self, loss: Option<bool>) {
        for (id, exit) in self.incoming.take() {
            if let Some(source) = graph::find(id) {
                let exit = &source.exits()[exit];
                if exit.forget(self)
                    && let Some(was_worth_it) = loss
                {
                    exit.note_loss(was_worth_it);
                }
                graph::bury_executor(Some(source));
            }
        }
    }

    /// The executor, and its exit, that this one is the alternative to, if it is one.
    pub(crate) fn alternative_to(&self) -> Option<(Rc<Executor>, usize)> {
        if self.alternative.get() == 0 {
            return None;
        }
        self.come_from(|exit| exit.does_nothing())
    }

    /// The executor, and its exit, that it goes on from, it being the first of those that begin there.
    pub(crate) fn grown_from_exit(&self) -> Option<(Rc<Executor>, usize)> {
        self.come_from(|exit| !exit.does_nothing())
    }

    /// An executor, and such an exit of it, that leads here.
    fn come_from(&self, is_such: impl Fn(&Exit) -> bool) -> Option<(Rc<Executor>, usize)> {
        let incoming = self.incoming.borrow();
        incoming.iter().find_map(|&(id, number)| {
            let parent = graph::find(id)?;
            let exit = &parent.exits()[number];
            if is_such(exit) && exit.leads_to(self) {
                return Some((parent, number));
            }
            graph::bury_executor(Some(parent));
            None
        })
    }

    /// How many instructions of tier 1 it has executed.
    pub(crate) fn instructions(&self) -> u64 {
        let by_exit = self.exits().iter().map(|exit| exit.hits() * u64::from(exit.instructions));
        self.rounds.get() * u64::from(self.trace().instructions_in_loop()) + by_exit.sum::<u64>()
    }

    /// How many micro-ops it has executed.
    pub(crate) fn micro_ops(&self) -> u64 {
        let by_exit = self.exits().iter().map(|exit| exit.hits() * u64::from(exit.micro_ops));
        self.rounds.get() * self.micro_ops_in_loop() + by_exit.sum::<u64>()
    }

    fn micro_ops_in_loop(&self) -> u64 {
        self.trace().superblock.body.as_ref().map_or(0, |body| body.insts.len() as u64)
    }

    /// How many micro-ops a run is that takes an exit after so many rounds.
    pub(crate) fn micro_ops_until(&self, exit: ExitId, rounds: u64) -> u64 {
        rounds * self.micro_ops_in_loop() + u64::from(self.exits()[exit.index()].micro_ops)
    }

    /// How many ticks ([`hotspur_tier1::ticks`]) of what it has executed were not asked for yet.
    pub(crate) fn new_ticks(&self) -> u64 {
        let (Some(body), runs) = (self.body.get(), self.runs.get()) else { return 0 };
        let (runs_before, before) = self.ticks.get();
        if runs == runs_before {
            return 0;
        }
        let by_exit = body.exits.iter().zip(&body.ticks_at_exits).map(|(exit, &ticks)| exit.hits() * u64::from(ticks));
        let now = self.rounds.get() * body.trace.ticks.len() as u64 + by_exit.sum::<u64>();
        self.ticks.set((runs, now));
        now - before
    }

    /// Adds what it has counted to the numbers.
    pub(crate) fn account(&self, stats: &mut Stats) {
        stats.runs += self.runs.get();
        stats.instructions += self.instructions();
        stats.micro_ops += self.micro_ops();
        for exit in self.exits() {
            stats.exits_linked[exit.reason as usize] += exit.linked.get();
            stats.exits_cold[exit.reason as usize] += exit.cold.get();
        }
    }

    /// Whether it is being run: then it must not be freed.
    pub(crate) fn is_active(&self) -> bool {
        self.running.get() > 0 || crate::jit::run::is_active(self)
    }

    /// How often its first instruction was executed, or that of its loop.
    pub(crate) fn begun(&self) -> u64 {
        self.runs.get() + self.rounds.get()
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
        // SAFETY: the GIL is held.
        unsafe { stats::count(|s| self.account(s)) };
        for exit in self.exits() {
            graph::bury_executor(exit.take_target());
        }
        graph::bury(core::mem::take(&mut self.held));
        graph::forget(self.id);
    }
}
