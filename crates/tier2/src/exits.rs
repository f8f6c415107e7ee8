//! Exits: how often each is taken, and where it leads.
//!
//! An exit starts cold: it leads to tier 1, and counts. When it is hot, execution is recorded from there, and the executor
//! that comes of it is attached to the exit; from then on the exit leads to that. Exits whose target is not known beforehand
//! (`guard_landed`, `dynamic_exit`, `leave_landed`), and links, have no executor attached: they look for one at the place where execution
//! has got to, and what is recorded from them is attached to the place.
//!
//! Machine code that takes an exit jumps to [`Exit::code`]: to the host at first; once the exit has led to its target a few times, to
//! a *passage*, machine code that makes the frames and goes on to the target. (If the target is a [bridge](crate::bridge), to that, at once.) The exit refers to the target as long as
//! there is a passage, so the passage can look whether the target may be entered still, whatever has become of it.

use crate::executor::Executor;
use crate::heat::Heat;
use crate::jit::PassageCode;
use crate::losing::Losses;
use crate::params::Parameter;
use crate::temperature::Temperature;
use core::cell::{Cell, RefCell};
use hotspur_ir::{ExitReason, Op, Resume, SnapshotId, Superblock};
use std::rc::Rc;

/// An exit of an executor.
#[derive(Debug)]
pub struct Exit {
    /// Why it is taken.
    pub reason: ExitReason,
    /// The frames that it makes.
    pub snapshot: SnapshotId,
    /// What the innermost frame does next.
    pub resume: Resume,
    /// The position of the innermost frame's instruction.
    pub pc: u32,
    /// How many instructions are done when it is taken; see [`hotspur_ir::Snapshot::instructions`].
    pub instructions: u32,
    /// How many micro-ops are done then, it being the last, besides those of complete rounds of the loop.
    pub micro_ops: u32,
    /// The op that leaves, if it passes something on besides the frames.
    pub(crate) leaves: Option<Op>,
    /// Where machine code jumps to when it takes the exit.
    pub(crate) code: Cell<*const u8>,
    /// When it is to be recorded from.
    pub temperature: Temperature,
    heat: Heat,
    /// How often it led to another executor.
    pub(crate) linked: Cell<u64>,
    /// How often it led to tier 1.
    pub(crate) cold: Cell<u64>,
    /// The machine code that leads to the target, or to tier 1.
    passage: RefCell<Option<PassageCode>>,
    /// Machine code goes directly to the target, a bridge.
    bridged: Cell<bool>,
    /// There is no passage, and will be none.
    impassable: Cell<bool>,
    failures: Cell<u32>,
    losses: RefCell<Losses>,
    target: RefCell<Option<Rc<Executor>>>,
    /// There are so many kinds that what is recorded from here is for all others.
    for_others: Cell<bool>,
}

impl Exit {
    /// Every exit of a superblock, by number.
    pub(crate) fn all(superblock: &Superblock) -> Box<[Exit]> {
        let leaves = superblock.insts().enumerate().filter(|(_, inst)| inst.op.exit_reason().is_some());
        let exits = superblock.exits().zip(leaves);
        exits.map(|(exit, (before, inst))| Exit::new(superblock, exit, &inst.op, before as u32 + 1)).collect()
    }

    fn new(superblock: &Superblock, exit: hotspur_ir::Exit, op: &Op, micro_ops: u32) -> Exit {
        let passes_on = matches!(op, Op::DynamicExit { .. } | Op::Link { .. });
        let snapshot = &superblock.snapshots[exit.snapshot];
        Exit {
            reason: exit.reason,
            snapshot: exit.snapshot,
            resume: snapshot.resume,
            pc: snapshot.frames.last().map_or(0, |f| f.pc),
            instructions: snapshot.instructions,
            micro_ops,
            leaves: passes_on.then(|| op.clone()),
            code: Cell::new(core::ptr::null()),
            temperature: Temperature::cold(),
            heat: Heat::started(),
            linked: Cell::new(0),
            cold: Cell::new(0),
            passage: RefCell::new(None),
            bridged: Cell::new(false),
            impassable: Cell::new(false),
            failures: Cell::new(0),
            losses: RefCell::default(),
            target: RefCell::new(None),
            for_others: Cell::new(false),
        }
    }

    /// Whether it goes back to where the executor began, which has not done anything.
    pub(crate) fn does_nothing(&self) -> bool {
        self.instructions == 0 && self.resume == Resume::At
    }

    /// Whether where it leads depends on data.
    pub fn is_dynamic(&self) -> bool {
        self.reason == ExitReason::DynamicTarget
    }

    /// Whether it leads to whatever executor there is at a place. What is recorded from it is attached there. (A link, too: the executor that it was
    /// to lead to may have gone, and tier 1 need not come by anything that counts for another one.)
    pub fn leads_to_place(&self) -> bool {
        matches!(self.reason, ExitReason::DynamicTarget | ExitReason::Linked)
    }

    /// Whether recording from it makes sense: it leads to an instruction, and always to the same.
    pub fn can_grow(&self) -> bool {
        match self.reason {
            ExitReason::WrongType
            | ExitReason::TypeChanged
            | ExitReason::KeysChanged
            | ExitReason::GlobalsChanged
            | ExitReason::FunctionChanged
            | ExitReason::OtherObject
            | ExitReason::OtherBranch
            | ExitReason::Unbound
            | ExitReason::Bound
            | ExitReason::NotCompact
            | ExitReason::IndexOutOfBounds
            | ExitReason::ValuesInvalid
            | ExitReason::LastReference
            | ExitReason::Overflow
            | ExitReason::ZeroDivision
            | ExitReason::Domain
            | ExitReason::Exhausted
            | ExitReason::NotExhausted
            | ExitReason::NotSuspended
            | ExitReason::OtherCaller
            | ExitReason::DynamicTarget
            | ExitReason::FrameKept
            | ExitReason::EndOfTrace
            | ExitReason::InnerLoop
            | ExitReason::Linked
            | ExitReason::Unsupported => true,
            ExitReason::Invalidated | ExitReason::Periodic | ExitReason::StackSpace | ExitReason::Raised => false,
        }
    }

    /// Whether it is taken because of what an operand of the first instruction is, of which there may be many kinds.
    pub(crate) fn tells_kinds_apart(&self) -> bool {
        self.does_nothing()
            && matches!(
                self.reason,
                ExitReason::WrongType
                    | ExitReason::TypeChanged
                    | ExitReason::KeysChanged
                    | ExitReason::FunctionChanged
                    | ExitReason::OtherObject
                    | ExitReason::ValuesInvalid
            )
    }

    /// What is recorded from here is for all kinds that there are no alternatives for. Whether that is news.
    pub(crate) fn is_for_others(&self) -> bool {
        !self.for_others.replace(true)
    }

    /// How often it was taken.
    pub fn hits(&self) -> u64 {
        self.linked.get() + self.cold.get()
    }

    pub(crate) fn count_linked(&self) {
        self.linked.set(self.linked.get() + 1);
    }

    pub(crate) fn count_cold(&self) {
        self.cold.set(self.cold.get() + 1);
    }

    /// Notes a recording from here that failed, and answers how many that were.
    pub(crate) fn note_failure(&self) -> u32 {
        self.failures.set(self.failures.get() + 1);
        self.failures.get()
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures.get()
    }

    /// The executor that it leads to, if that is valid. An invalid one is let go: it is buried, so nothing runs.
    pub fn target(&self) -> Option<Rc<Executor>> {
        let target = self.target.borrow().as_ref().map(Rc::clone)?;
        if target.is_valid() {
            return Some(target);
        }
        crate::graph::bury_executor(self.take_target());
        crate::graph::bury_executor(Some(target));
        self.temperature.cool();
        None
    }

    /// Whether it leads to a bridge that may be entered.
    pub(crate) fn leads_to_bridge(&self) -> bool {
        self.target.borrow().as_ref().is_some_and(|t| t.trace().inherits && t.is_valid())
    }

    /// Whether a passage to the target is to be made, now that it has led there so often.
    pub(crate) fn wants_passage(&self) -> bool {
        self.linked.get() >= Parameter::PassageThreshold.get().into()
            && !self.impassable.get()
            && self.passage.borrow().is_none()
            && matches!(self.resume, Resume::At | Resume::After)
            && matches!(self.leaves, None | Some(Op::Link { .. }))
    }

    /// Whether a passage to tier 1 is to be made, now that it has led there so often and nothing has come of that.
    pub(crate) fn wants_way_out(&self) -> bool {
        self.cold.get() >= Parameter::WayOutThreshold.get().into()
            && self.can_grow()
            && !self.is_dynamic()
            && !self.impassable.get()
            && self.leaves.is_none()
            && matches!(self.resume, Resume::At | Resume::After)
            && self.passage.borrow().is_none()
            && self.target.borrow().is_none()
    }

    /// Whether machine code leads to the target, or to tier 1.
    pub(crate) fn has_passage(&self) -> bool {
        self.passage.borrow().is_some()
    }

    /// Looks at the machine code that leads to the target, if there is some.
    pub(crate) fn with_passage(&self, f: impl FnOnce(&[u8])) {
        if let Some(passage) = &*self.passage.borrow() {
            f(passage.bytes());
        }
    }

    /// Leads machine code to the target, or to tier 1, or notes that it cannot.
    pub(crate) fn set_passage(&self, passage: Option<PassageCode>) {
        if let Some(passage) = passage {
            self.code.set(passage.entry());
            *self.passage.borrow_mut() = Some(passage);
        } else {
            self.impassable.set(true);
        }
    }

    /// Leads machine code to the host again.
    fn close(&self) {
        if let Some(passage) = self.passage.borrow_mut().take() {
            self.code.set(crate::jit::cold_exit());
            drop(passage);
        }
        if self.bridged.replace(false) {
            self.code.set(crate::jit::cold_exit());
        }
    }

    /// Whether it leads to that executor.
    pub(crate) fn leads_to(&self, target: &Executor) -> bool {
        self.target.borrow().as_ref().is_some_and(|t| core::ptr::eq(Rc::as_ptr(t), target))
    }

    /// Leads nowhere if it leads to that executor, which has become invalid. Whether it did.
    pub(crate) fn forget(&self, target: &Executor) -> bool {
        let leads_there = self.leads_to(target);
        if leads_there {
            crate::graph::bury_executor(self.take_target());
            self.temperature.cool();
        }
        leads_there
    }

    /// What it led to has become invalid.
    pub(crate) fn note_loss(&self, was_worth_it: bool) {
        self.losses.borrow_mut().note(was_worth_it);
    }

    /// How many were no good in a row.
    pub(crate) fn losses(&self) -> u32 {
        self.losses.borrow().in_a_row()
    }

    /// An alternative is wanted to an executor that is not worth it, after so many others.
    pub(crate) fn inherit_losses(&self, losses: u32) {
        self.losses.borrow_mut().inherit(losses);
    }

    /// It has become hot: whether that took too long to be worth anything.
    pub(crate) fn is_lukewarm(&self) -> bool {
        !self.heat.is_fast(Parameter::ExitThreshold)
    }

    /// It has become hot: whether that is ignored this time, for what was recorded from here did not last.
    pub(crate) fn has_to_wait(&self) -> bool {
        self.losses.borrow_mut().wait()
    }

    /// See [`Executor::lead`].
    pub(crate) fn set_target(&self, target: Rc<Executor>) {
        self.close();
        if target.trace().inherits && target.has_code() {
            self.code.set(target.code().entry());
            self.bridged.set(true);
        }
        let old = self.target.borrow_mut().replace(target);
        crate::graph::bury_executor(old);
    }

    pub(crate) fn take_target(&self) -> Option<Rc<Executor>> {
        self.close();
        self.target.borrow_mut().take()
    }
}
