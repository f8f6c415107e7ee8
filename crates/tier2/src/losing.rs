//! Executors that lose: entering one from tier 1 and leaving it again costs something, which what it executes in between must be
//! worth. One that nearly always leaves for tier 1 after a few instructions is slower than tier 1. (That it is short matters
//! only there: between executors there is no such cost.)
//!
//! Some ops cost more than an instruction of tier 1 does, too: those that have tier 1 execute an instruction
//! ([`Parameter::ExecuteCost`]), and those that show frames to other code ([`Parameter::PublishCost`]). An executor of little else loses
//! however it is entered and left.
//!
//! Every so many entries, or such ops ([`Parameter::LosingInterval`]), it is looked what came of them. An executor that loses is retired: made
//! invalid, for the reason `losing`; its place counts as one where recordings have failed, so that it gets one more chance, for a
//! program may do something else by then.
//!
//! # What does not last
//! Some programs keep changing what executors rely on: they make classes again and again, or assign to globals. What is recorded there
//! becomes invalid before it has been worth the trouble ([`Parameter::Worth`]). After the second time in a row the place, or the exit, has to
//! become hot twice as often each time before it is recorded from again ([`Losses`]). Code that is freed passes that on to code that looks the same
//! ([`crate::likeness`]).
//!
//! # Alternatives
//! Where a guard fails before anything was done, an alternative is recorded; so there are chains of executors that begin at the same
//! instruction. If one is not worth it (yet), that is a loss for the exit which the next is to be recorded from, and those before it count
//! there, too. Before a chain becomes longer than a few, it is looked which of them are of use still ([`thins_out`]). If what is called is none of
//! what there are alternatives for more often than not, the executor that they are alternatives in is better recorded anew ([`is_outgrown`]).

use crate::executor::Executor;
use crate::graph;
use crate::invalidate::invalidate;
use crate::params::Parameter;
use core::cell::Cell;
use hotspur_ir::InvalidationReason;
use std::rc::Rc;

/// An executor's books.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Entries from tier 1 and costly ops since it was last looked at.
    events: Cell<u32>,
    /// Entries from tier 1.
    entries: Cell<u64>,
    /// What costly ops have cost, in instructions of tier 1.
    costs: Cell<u64>,
    /// What there was when it was last looked at: runs, exits to tier 1, instructions, costs, entries.
    before: Cell<[u64; 5]>,
}

impl Books {
    /// Counts an event. Whether it is time to look.
    #[inline(always)]
    fn count(&self) -> bool {
        let events = self.events.get() + 1;
        self.events.set(events);
        events >= Parameter::LosingInterval.get()
    }
}

/// Tier 1 is about to enter an executor. Answers whether it has been retired instead.
///
/// # Safety
/// GIL held, the executor is attached.
#[inline(always)]
pub(crate) unsafe fn retires(executor: *const Executor) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let books = &(*executor).books;
        books.entries.set(books.entries.get() + 1);
        books.count() && look(executor)
    }
}

/// An executor has a costly op executed, which is one of those that other code may run in.
///
/// # Safety
/// GIL held, the executor runs.
#[inline(always)]
pub(crate) unsafe fn charge(executor: *const Executor, cost: Parameter) {
    // SAFETY: as the caller promises.
    unsafe {
        crate::trial::event();
        let books = &(*executor).books;
        books.costs.set(books.costs.get() + u64::from(cost.get()));
        if books.count() && (*executor).is_valid() {
            look(executor);
        }
    }
}

#[cold]
#[inline(never)]
unsafe fn look(executor: *const Executor) -> bool {
    // SAFETY: as for `retires`; the table of places holds a reference, too.
    let executor = unsafe {
        Rc::increment_strong_count(executor);
        Rc::from_raw(executor)
    };
    executor.books.events.set(0);
    let cold = executor.exits().iter().map(|exit| exit.cold.get()).sum();
    let books = &executor.books;
    let now = [executor.runs.get(), cold, executor.instructions(), books.costs.get(), books.entries.get()];
    let before = books.before.replace(now);
    let [runs, cold, instructions, costs, entries] = core::array::from_fn(|i| now[i].saturating_sub(before[i]));
    // Where it is entered from tier 1 and left for tier 1, that would not happen without it. Where it is between others, it would.
    let passages = runs * u64::from(Parameter::LosingLength.get());
    let is_alone = cold >= runs - runs / 8 && entries >= runs / 2;
    let loses = if is_alone { instructions < passages + costs } else { instructions + passages < costs };
    if loses {
        if let Some(place) = executor.place() {
            let chances = Parameter::Attempts.get().div_ceil(2);
            (0..chances).for_each(|_| _ = graph::note_failure(place));
        }
        // SAFETY: the GIL is held.
        unsafe { invalidate(&executor, InvalidationReason::Losing) };
    }
    graph::bury_executor(Some(executor));
    loses
}

/// Executors that became invalid at a place or exit, one after the other, without having been worth it.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    in_a_row: u32,
    waits: u32,
}

impl Losses {
    /// So many have no consequences.
    const FREE: u32 = 2;
    /// The logarithm of how often it has to become hot at most.
    const LONGEST: u32 = 12;

    /// One more has become invalid.
    pub(crate) fn note(&mut self, was_worth_it: bool) {
        self.set(if was_worth_it { 0 } else { self.in_a_row + 1 });
    }

    /// There have been so many elsewhere, which count here as well.
    pub(crate) fn inherit(&mut self, losses: u32) {
        if self.in_a_row < losses {
            self.set(losses);
        }
    }

    /// How many there were.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    fn set(&mut self, in_a_row: u32) {
        self.in_a_row = in_a_row;
        let beyond = in_a_row.saturating_sub(Losses::FREE);
        self.waits = if beyond == 0 { 0 } else { (1 << beyond.min(Losses::LONGEST)) - 1 };
    }

    /// It has become hot: whether that is ignored this time.
    pub(crate) fn wait(&mut self) -> bool {
        let waits = self.waits > 0;
        self.waits = self.waits.saturating_sub(1);
        waits
    }
}

/// Whether becoming invalid for this reason says something about the place: that what was relied on there changes.
pub(crate) fn is_telling(reason: InvalidationReason) -> bool {
    match reason {
        InvalidationReason::TypeModified
        | InvalidationReason::TypeFreed
        | InvalidationReason::DictModified
        | InvalidationReason::FunctionModified
        | InvalidationReason::CodeFreed
        | InvalidationReason::Losing => true,
        InvalidationReason::Cold
        | InvalidationReason::CodeMemory
        | InvalidationReason::ManyKinds
        | InvalidationReason::NotCompiled
        | InvalidationReason::LinkLost
        | InvalidationReason::Forked
        | InvalidationReason::Shutdown
        | InvalidationReason::Requested => false,
    }
}

/// Whether an executor has executed enough to have been worth making.
pub(crate) fn was_worth_it(executor: &Executor) -> bool {
    let micro_ops = executor.trace().superblock.insts().count() as u64;
    executor.instructions() >= micro_ops * u64::from(Parameter::Worth.get())
}

/// An exit that does nothing has become hot, so another alternative is to be recorded. If there are more than a few already, they have to be
/// of use: the first one that was always left in the same way is removed, with those behind it. Answers whether the recording has
/// to wait, because that has happened or is not known yet.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn thins_out(last: &Rc<Executor>, exit: usize) -> bool {
    /// So many alternatives need not be of use all the time.
    const FEW: u32 = 3;
    /// So many runs must have been seen.
    const RUNS: u64 = 200;
    if last.alternative.get() < FEW {
        return false;
    }
    let mut is_known = true;
    let (mut here, mut exit) = (Rc::clone(last), exit);
    let mut useless = None;
    loop {
        let now = [here.runs(), here.exits()[exit].hits()];
        let before = here.left_unused.get();
        let [runs, unused] = core::array::from_fn(|i| now[i].saturating_sub(before.map_or(now[i], |b| b[i])));
        is_known &= runs >= RUNS;
        if before.is_none() || runs >= RUNS {
            here.left_unused.set(Some(now));
        }
        let is_useless = runs >= RUNS && unused + 1 >= runs;
        let next = here.alternative_to();
        if is_useless {
            graph::bury_executor(useless.replace(here));
        } else {
            graph::bury_executor(Some(here));
        }
        let Some((parent, number)) = next else { break };
        (here, exit) = (parent, number);
    }
    let Some(executor) = useless else { return !is_known };
    // SAFETY: the GIL is held.
    unsafe { invalidate(&executor, InvalidationReason::Losing) };
    graph::bury_executor(Some(executor));
    true
}

/// There are so many kinds of what an instruction calls that what is recorded next is for all others, and the exit of the last alternative has become
/// hot. If it is they that are called, mostly, the alternatives are in the way: the executor where the first of them begins is made
/// invalid, so that it is recorded anew, as one that calls whatever it is. Answers whether it was.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn is_outgrown(last: &Rc<Executor>, exit: usize) -> bool {
    let mut share = 1.0;
    let (mut here, mut exit) = (Rc::clone(last), exit);
    loop {
        share *= here.exits()[exit].hits() as f64 / here.begun() as f64;
        let next = here.alternative_to().or_else(|| here.grown_from_exit());
        let is_first = !here.exits()[exit].does_nothing();
        if is_first {
            graph::bury_executor(next.map(|(executor, _)| executor));
            break;
        }
        graph::bury_executor(Some(here));
        let Some(next) = next else { return false };
        (here, exit) = next;
    }
    let is_outgrown = share > 0.5;
    if is_outgrown {
        // SAFETY: the GIL is held.
        unsafe { invalidate(&here, InvalidationReason::ManyKinds) };
    }
    graph::bury_executor(Some(here));
    is_outgrown
}
