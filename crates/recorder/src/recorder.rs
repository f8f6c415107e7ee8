//! Recording: following execution, instruction by instruction.
//!
//! [`Recorder::step`] is called before each instruction. It first finishes the one before: it looks where execution has really
//! gone, which for a conditional jump decides the guard's direction, and for an instruction that tier 1 executes is the landing that is
//! expected from now on (`arrive.rs`). Then it lowers the one that is about to run, while its operands can be looked at ([`crate::lower`]),
//! unless the trace ends here (`end.rs`).
//!
//! What other code does in the meantime can make a trace useless, but not wrong: whatever a superblock relies on is either the meaning of
//! an instruction, or guarded, or checked at a landing. So the recorder trusts nothing but what it sees *now*: frames are
//! compared by address only where they may be gone, and read only when they are the thread's current frame or below it.
//!
//! # Traces
//!
//! A trace begins behind a hot back-edge, at a hot function's RESUME, or where a hot side exit leads. It ends
//! * by getting back to where it began, in the frame where it began: a loop;
//! * where another executor begins: a link. (At the entry of a function only to end a recursion: else callees would never become
//!   part of their callers' traces.)
//! * by returning from the frame where it began, if the activation ends there; else it goes on in the caller;
//! * when it would go round a loop that is not its own once too often, or reaches another limit: it leaves for tier 1 there, and
//!   if that exit grows hot, a trace that begins there goes on.
//!
//! # Instructions that a handler takes along
//!
//! Some handlers execute the instruction behind them as well (a comparison and the conditional jump, `list.append` and its POP_TOP), which
//! then never shows up; nor does a RESUME whose counter has started the recording. When execution has gone further than expected, the instruction at the expected position is
//! lowered as if it had, if it is one that may be taken along.

mod arrive;
mod end;

use crate::inherit::{self, Inherited};
use crate::limits::Limits;
use crate::lower::{self, Jump, Outcome};
use crate::ownership::TakenOver;
use crate::state::{Frame, Frames, Slot};
use crate::trace::{Keep, Noted, Place, Trace};
use crate::{check, history};
use hotspur_cpython_sys::*;
use hotspur_ir::{AbortReason, CodeRef, Moves, Resume};
use hotspur_tier1::code::{CodeState, Word};
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
use hotspur_tier1::ticks;
use std::collections::HashMap;

/// What a step comes to.
#[derive(Debug)]
pub enum Verdict {
    /// Recording goes on.
    Continue,
    /// The trace is complete. The instruction that the step was for has not run.
    Finished(Box<Trace>),
    /// There is no trace.
    Aborted(AbortReason),
}

/// What the instruction that is running is expected to come to.
enum Pending {
    /// It goes on at this position of the same frame.
    Next { position: u32, back_edge: bool },
    /// As above, at one of two positions.
    Jump(Jump),
    /// At the beginning of the function whose frame is the top one.
    Call,
    /// It goes on at this position of the same frame, when what it calls has returned.
    Around { position: u32 },
    /// Wherever tier 1 goes. All frames are in memory. `below`: the frame below the top one.
    Execute { below: *mut InterpreterFrame },
    /// Behind the call in this frame, the top one being left.
    Return { below: *mut InterpreterFrame },
}

/// A recording in progress.
pub struct Recorder {
    context: *mut Context,
    limits: Limits,
    f: Frames,
    executors: Vec<Place>,
    entry: Place,
    /// Height of the stack at the entry, if the trace may become a loop by getting there again.
    entry_height: Option<usize>,
    pending: Pending,
    /// Whether it began at the entry of a function.
    began_at_entry: bool,
    /// Whether it began with the values of a side exit.
    inherits: bool,
    /// For the check of references.
    taken_over: TakenOver,
    /// Instructions seen in other activations.
    foreign: u32,
    /// Whether a generator has just yielded to where execution is.
    yielded: bool,
    /// Whether the superblock has its terminator.
    ended: bool,
}

/// Ends a recording without a trace.
type Step<T> = Result<T, AbortReason>;

impl Recorder {
    /// Begins a recording. `state`: the registers at the instruction where the trace begins, which is about to run. If that is a RESUME, it
    /// may run without the recorder being told: tier 1 does so when it was the RESUME that counted.
    pub unsafe fn start(state: State, limits: Limits) -> Recorder {
        let entry = state.index() as u32;
        let code = CodeRef::from_u32(0);
        let height = height(state);
        let mut f = Frames::new(code, entry, frame(state, code, entry, height));
        f.code((*state.cs).code);
        Recorder::with(state, limits, f, Some(height))
    }

    /// Begins a recording at a side exit, as the continuation of the superblock that was left. None if it cannot be one; then
    /// [`Recorder::start`] begins with what is in memory.
    pub unsafe fn grow(state: State, limits: Limits, inherited: &Inherited) -> Option<Recorder> {
        let f = inherit::begin(inherited, state)?;
        Some(Recorder::with(state, limits, f, None))
    }

    unsafe fn with(state: State, limits: Limits, f: Frames, entry_height: Option<usize>) -> Recorder {
        let position = state.index() as u32;
        let inherits = entry_height.is_none();
        let taken_over = if limits.check { TakenOver::of(&f.frames) } else { TakenOver::default() };
        Recorder {
            taken_over,
            context: state.cx,
            limits,
            f,
            executors: Vec::new(),
            entry: Place { code: state.cs, position: position as usize },
            inherits,
            began_at_entry: INFO[usize::from((*state.pc).op)].base == op::RESUME,
            entry_height,
            pending: Pending::Next { position, back_edge: false },
            foreign: 0,
            yielded: false,
            ended: false,
        }
    }

    /// Where the trace begins.
    pub fn entry(&self) -> Place {
        self.entry
    }

    /// Whether the code is part of the trace. If so, and it dies, the recording is to be given up.
    pub unsafe fn contains(&self, cs: *mut CodeState) -> bool {
        self.f.codes.contains(&(*cs).code) || self.executors.iter().any(|place| place.code == cs)
    }

    /// What the trace relies on so far, each list in the order in which it was noted. Whoever records sees to it, after each step, that it
    /// is watched or held from then on.
    pub fn noted(&self) -> Noted<'_> {
        let f = &self.f;
        Noted { values: &f.values, types: &f.types, functions: &f.functions, codes: &f.codes, held: &f.held }
    }

    /// Instructions recorded so far.
    pub fn instructions(&self) -> u32 {
        self.f.count
    }

    /// The instruction at `state.pc` is about to run. `has_executor` says whether an executor begins at a position.
    pub unsafe fn step(
        &mut self,
        state: State,
        has_executor: &mut dyn FnMut(*mut CodeState, usize) -> bool,
    ) -> Verdict {
        match self.try_step(state, has_executor) {
            Ok(false) => Verdict::Continue,
            Ok(true) => self.finish(),
            Err(reason) => Verdict::Aborted(reason),
        }
    }

    /// Whether the trace is complete.
    unsafe fn try_step(
        &mut self,
        state: State,
        has_executor: &mut dyn FnMut(*mut CodeState, usize) -> bool,
    ) -> Step<bool> {
        if state.cx != self.context {
            return Err(AbortReason::RecorderInterrupted);
        }
        let Some(back_edge) = self.arrive(state)? else {
            self.foreign += 1;
            if self.foreign <= self.limits.foreign {
                return Ok(false);
            }
            if let Pending::Around { .. } = self.pending {
                // It is not called like that the next time: the trace ends there, and what is called has its own.
                history::note_raised(self.f.top().cs, self.f.top().pc);
            }
            return Err(AbortReason::TooLong);
        };
        if self.ended {
            return Ok(true);
        }
        if self.limits.check && !check::agrees(&mut self.f, state) {
            return Err(AbortReason::StackMismatch);
        }
        self.boundary(state, back_edge, has_executor)?;
        self.yielded = false;
        if !self.ended {
            self.instruction(state);
        }
        Ok(self.ended)
    }

    /// The instruction is the next one in the trace: if it is a tick, executors count it.
    fn tick(&mut self, word: Word) {
        if ticks::counts(word) {
            self.f.ticks.push(self.f.count + 1);
        }
    }

    unsafe fn instruction(&mut self, state: State) {
        self.f.begin(state.index() as u32);
        let base = INFO[usize::from((*state.pc).op)].base;
        self.tick(*state.pc);
        if matches!(base, op::RETURN_VALUE | op::RETURN_CONST) && self.return_from_memory(state, base) {
            return;
        }
        if lower::goes_down_a_chain(state, base) {
            return self.execute_and_leave(state, Moves::Calls);
        }
        let index = state.index() as u32;
        let place = Place { code: state.cs, position: index as usize };
        let is_polymorphic = history::has_more_kinds_than(self.limits.kinds, place);
        let lowered = if history::has_raised(state.cs, index) {
            None
        } else if is_polymorphic {
            lower::lower_polymorphic(&mut self.f, state, base, self.limits.inner_calls)
        } else {
            lower::lower(&mut self.f, state, base)
        };
        if lowered.is_none() && is_polymorphic && matches!(base, op::CALL | op::CALL_KW | op::CALL_FUNCTION_EX) {
            return self.execute_and_leave(state, Moves::Calls);
        }
        self.f.stamp(self.f.count);
        match lowered {
            Some(Outcome::Next(position)) => {
                self.f.count += 1;
                self.pending = Pending::Next { position, back_edge: false };
            }
            Some(Outcome::Yielded(position)) => {
                self.f.count += 1;
                self.yielded = true;
                self.pending = Pending::Next { position, back_edge: false };
            }
            Some(Outcome::BackEdge(position)) => {
                self.f.count += 1;
                self.pending = Pending::Next { position, back_edge: true };
            }
            Some(Outcome::Call) => {
                self.f.count += 1;
                self.pending = Pending::Call;
            }
            Some(Outcome::Around(position)) => {
                self.f.count += 1;
                self.pending = Pending::Around { position };
            }
            Some(Outcome::Jump(jump)) => self.pending = Pending::Jump(jump),
            None => self.execute(state, base),
        }
    }

    /// Leaves the top frame, if that is in memory, and plain.
    unsafe fn return_from_memory(&mut self, state: State, base: u16) -> bool {
        let frame = state.frame;
        let is_plain =
            (*frame).owner == FRAME_OWNED_BY_THREAD && (*frame).frame_obj.is_null() && (*frame).f_locals.is_null();
        if self.f.top().function.is_some() || !is_plain {
            return false;
        }
        let constant = if base == op::RETURN_CONST {
            let object = *(*state.cs).consts.add(state.oparg());
            let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Code(self.f.top().code) };
            Some(self.f.constant(object, keep))
        } else if self.f.peek(1).is_none() {
            return false;
        } else {
            None
        };
        self.f.at();
        self.f.builder.guard_plain_frame();
        if let Some(v) = constant {
            self.f.push_value(v);
        }
        self.f.leave_memory();
        self.f.stamp(self.f.count);
        let below = (*frame).previous;
        if self.f.frames.len() == 1 && self.ends_with_return(state) {
            self.leave_landed();
        } else {
            self.pending = Pending::Return { below };
        }
        true
    }

    /// Whether the trace ends where its first frame returns to: that is another activation, or code that comes and goes, or the trace is long, and what it began
    /// with is done.
    unsafe fn ends_with_return(&self, state: State) -> bool {
        let is_long = self.began_at_entry && self.f.len() >= self.limits.inlined_ops;
        let below = (*state.frame).previous;
        is_long || (*below).owner == FRAME_OWNED_BY_CSTACK || comes_and_goes(state, below)
    }

    /// Ends the trace where the instruction before leads to.
    fn leave_landed(&mut self) {
        self.f.count += 1;
        self.f.snapshot(Resume::Landed);
        self.f.builder.leave_landed();
        self.ended = true;
    }

    /// Leaves the instruction to tier 1, and ends the trace wherever that leads.
    unsafe fn execute_and_leave(&mut self, state: State, moves: Moves) {
        self.f.flush();
        self.f.forget();
        self.f.snapshot(Resume::At);
        self.f.builder.execute(state.index() as u32, moves);
        self.f.stamp(self.f.count);
        self.f.count += 1;
        self.f.snapshot(Resume::Landed);
        self.f.builder.leave_landed();
        self.ended = true;
    }

    /// Leaves the instruction to tier 1.
    unsafe fn execute(&mut self, state: State, base: u16) {
        let returns = matches!(base, op::RETURN_VALUE | op::RETURN_CONST);
        let leaves = returns || matches!(base, op::RETURN_GENERATOR | op::YIELD_VALUE);
        let mut below = match self.f.frames.len() {
            0 | 1 => core::ptr::null_mut(),
            n => self.f.frames[n - 2].real,
        };
        if leaves && self.f.frames.len() == 1 {
            let is_in_caller = returns && (*state.frame).owner == FRAME_OWNED_BY_THREAD;
            if !is_in_caller || self.ends_with_return(state) {
                // Whoever goes on there may do so in another activation, which would never be seen.
                return self.execute_and_leave(state, Moves::Returns);
            }
            below = (*state.frame).previous;
        }
        self.f.flush();
        self.f.forget();
        self.f.snapshot(Resume::At);
        self.pending = Pending::Execute { below };
    }
}

/// How many items are on the stack.
unsafe fn height(state: State) -> usize {
    let base = frame_locals(state.frame).offset((*frame_code(state.frame)).co_nlocalsplus as isize);
    state.sp.offset_from(base) as usize
}

/// The current frame, all of it in memory.
unsafe fn frame(state: State, code: CodeRef, pc: u32, height: usize) -> Frame {
    Frame {
        real: state.frame,
        cs: state.cs,
        code,
        pc,
        locals: vec![Slot::MEMORY; (*(*state.cs).code).co_nlocalsplus as usize],
        stack: vec![Slot::MEMORY; height],
        function: None,
        generator: None,
        is_pushed_generator: (*state.frame).owner == FRAME_OWNED_BY_GENERATOR,
        namespaces: [None; 2],
        rounds: HashMap::new(),
    }
}

/// Whether the frame that is returned to runs code of a module, as `exec` and `eval` compile it, that will not be there for long.
unsafe fn comes_and_goes(state: State, below: *mut InterpreterFrame) -> bool {
    let caller = frame_code(below);
    (*caller).co_flags & CO_OPTIMIZED == 0 && !history::caller_stays(state.cs, state.index() as u32, caller)
}
