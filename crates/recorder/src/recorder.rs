//! Recording: following execution, instruction by instruction.
//!
//! [`Recorder::step`] is called before each instruction. It first finishes the one before: it looks where execution has really
//! gone, which for a conditional jump decides the guard's direction, and for an instruction that tier 1 executes is the landing that is
//! expected from now on. Then it lowers the one that is about to run, while its operands can be looked at ([`crate::lower`]).
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

use crate::check;
use crate::inherit::{self, Inherited};
use crate::limits::Limits;
use crate::lower::{self, Jump, Outcome};
use crate::ownership;
use crate::state::{Frame, Frames, Slot, unseen};
use crate::trace::{Dependencies, Keep, Noted, Place, Trace};
use hotspur_cpython_sys::*;
use hotspur_ir::{
    AbortReason, CodeRef, ExecutorRef, ExitReason, LoopBody, Moves, Op, Resume, Snapshot, SnapshotId, Superblock,
};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
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
    /// Whether it began with the values of a side exit.
    inherits: bool,
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
        Recorder {
            context: state.cx,
            limits,
            f,
            executors: Vec::new(),
            entry: Place { code: state.cs, position: position as usize },
            inherits,
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
            return if self.foreign > self.limits.foreign { Err(AbortReason::TooLong) } else { Ok(false) };
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

    // -- the instruction before

    /// Finishes the instruction before, which has led to `state`. Answers whether it was a loop's back-edge; None if this is an instruction of
    /// another activation, which runs in between.
    unsafe fn arrive(&mut self, state: State) -> Step<Option<bool>> {
        let top = self.f.top().real;
        let position = state.index() as u32;
        if let Pending::Execute { below } = self.pending {
            let moves = if state.frame == top {
                Moves::Stays
            } else if (*state.frame).previous == top {
                Moves::Calls
            } else if state.frame == below {
                Moves::Returns
            } else if is_above(state.frame, top) {
                return Ok(None);
            } else {
                return self.left();
            };
            self.landed(state, moves)?;
            return Ok(Some(false));
        }
        if let Pending::Return { below } = self.pending {
            if state.frame != below {
                return if is_above(state.frame, below) { Ok(None) } else { Err(AbortReason::LeftStart) };
            }
            self.returned(state)?;
            return Ok(Some(false));
        }
        if let Pending::Call = self.pending {
            // The frame is new; where the call goes through a shim, the shim's, below it, is new as well.
            let new = self.f.frames.iter().rev().take_while(|f| f.real.is_null()).count();
            let caller = self.f.frames[self.f.frames.len() - 1 - new].real;
            let mut reals = vec![state.frame];
            while reals.len() < new && !reals[reals.len() - 1].is_null() {
                reals.push((*reals[reals.len() - 1]).previous);
            }
            let last = reals[reals.len() - 1];
            if last.is_null() || (*last).previous != caller {
                return if is_above(state.frame, caller) { Ok(None) } else { Err(AbortReason::ExceptionRaised) };
            }
            if state.cs != self.f.top().cs || position != 0 {
                return Err(AbortReason::CodeChanged);
            }
            for (frame, real) in self.f.frames.iter_mut().rev().zip(reals) {
                frame.real = real;
            }
            return Ok(Some(false));
        }
        if state.frame != top {
            if is_above(state.frame, top) {
                return Ok(None);
            }
            let is_ours = self.f.frames.iter().any(|f| f.real == state.frame);
            if is_ours {
                crate::history::note_raised(self.f.top().cs, self.f.top().pc);
            }
            return Err(if is_ours { AbortReason::ExceptionRaised } else { AbortReason::LeftStart });
        }
        if state.cs != self.f.top().cs {
            return Err(AbortReason::CodeChanged);
        }
        match self.pending {
            Pending::Next { position: expected, back_edge } => {
                if position == expected || self.taken_along(expected, position) {
                    return Ok(Some(back_edge));
                }
                crate::history::note_raised(self.f.top().cs, self.f.top().pc);
                Err(AbortReason::ExceptionRaised)
            }
            Pending::Jump(jump) => {
                if position != jump.next && position != jump.target {
                    return Err(AbortReason::ExceptionRaised);
                }
                self.jumped(jump, position);
                Ok(Some(false))
            }
            Pending::Call | Pending::Execute { .. } | Pending::Return { .. } => Ok(None),
        }
    }

    /// The instruction that tier 1 executed has led further than frames are followed: an exception has left several of them, or all. The trace
    /// ends with it.
    fn left(&mut self) -> Step<Option<bool>> {
        if self.f.count < self.limits.useful {
            return Err(AbortReason::ExceptionRaised);
        }
        self.f.builder.execute(self.f.top().pc, Moves::Stays);
        self.f.stamp(self.f.count);
        self.leave_landed();
        Ok(Some(false))
    }

    unsafe fn jumped(&mut self, jump: Jump, position: u32) {
        lower::finish_jump(&mut self.f, jump, position);
        self.f.count += 1;
    }

    /// Whether the instruction at `expected` is one that a handler takes along and leads to `position`. Lowers it if so.
    unsafe fn taken_along(&mut self, expected: u32, position: u32) -> bool {
        let cs = self.f.top().cs;
        if expected as usize >= (*cs).len {
            return false;
        }
        let word = *(*cs).words.add(expected as usize);
        if let Some(jump) = Jump::at(expected, word.op, word.oparg) {
            if position != jump.next && position != jump.target {
                return false;
            }
            self.f.begin(expected);
            self.jumped(jump, position);
            return true;
        }
        if self.f.count == 0 && position == expected + 1 && INFO[usize::from(word.op)].base == op::RESUME {
            self.f.begin(expected);
            lower::resumed(&mut self.f, word.oparg);
            self.f.count += 1;
            return true;
        }
        match word.op {
            op::JUMP_BACKWARD_NO_INTERRUPT => {
                self.f.count += 1;
                position + word.oparg == expected + 1
            }
            op::POP_TOP if position == expected + 1 => {
                self.f.begin(expected);
                self.f.discard();
                self.f.drop_dead(None);
                self.f.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Tier 1 executed the instruction before.
    unsafe fn landed(&mut self, state: State, moves: Moves) -> Step<()> {
        let pc = self.f.top().pc;
        self.f.builder.execute(pc, moves);
        self.f.stamp(self.f.count);
        match moves {
            Moves::Stays => {
                if state.cs != self.f.top().cs {
                    return Err(AbortReason::CodeChanged);
                }
            }
            Moves::Calls => {
                // The caller is suspended: its operands are gone, and its stack ends where it says.
                let caller = self.f.top_mut();
                let height = (*caller.real).stacktop - (*frame_code(caller.real)).co_nlocalsplus;
                caller.stack = vec![Slot::MEMORY; usize::try_from(height).map_err(|_| AbortReason::StackMismatch)?];
                let code = self.f.code((*state.cs).code);
                self.f.frames.push(frame(state, code, 0, 0));
            }
            Moves::Returns => return self.returned(state),
        }
        self.landed_at(state)
    }

    /// Execution goes on in the caller of the top frame, behind the call.
    unsafe fn returned(&mut self, state: State) -> Step<()> {
        self.f.frames.pop();
        if self.f.frames.is_empty() {
            // The caller is the first frame from now on.
            let code = self.f.code((*state.cs).code);
            self.f.frames.push(frame(state, code, 0, 0));
        }
        if self.f.top().real != state.frame || self.f.top().cs != state.cs {
            return Err(AbortReason::FrameCleared);
        }
        self.landed_at(state)
    }

    /// Guards that this is where execution has landed.
    unsafe fn landed_at(&mut self, state: State) -> Step<()> {
        self.f.count += 1;
        let position = state.index() as u32;
        let height = height(state);
        self.f.begin(position);
        self.f.top_mut().stack = vec![Slot::MEMORY; height];
        self.f.snapshot(Resume::Landed);
        let code = self.f.top().code;
        self.f.builder.guard_landed(code, position, height as u32);
        Ok(())
    }

    // -- the end

    /// Ends the trace if this position is where it has to end.
    unsafe fn boundary(
        &mut self,
        state: State,
        back_edge: bool,
        has_executor: &mut dyn FnMut(*mut CodeState, usize) -> bool,
    ) -> Step<()> {
        self.f.stamp(self.f.count);
        if self.f.count == 0 {
            return Ok(());
        }
        let place = Place { code: state.cs, position: state.index() as usize };
        if place == self.entry && self.f.frames.len() == 1 && Some(self.f.height()) == self.entry_height {
            // If the next round would not find the generator where this one has, it is another executor's.
            if self.f.resumed != self.f.suspended
                && self.f.resumed.is_some()
                && has_executor(place.code, place.position)
            {
                self.link(place);
                return Ok(());
            }
            self.f.flush();
            self.f.builder.jump_loop(&[]);
            self.ended = true;
            return Ok(());
        }
        let enters_function = INFO[usize::from((*state.pc).op)].base == op::RESUME && self.f.frames.len() > 1;
        if enters_function {
            let same = self.f.frames.iter().filter(|f| f.cs == state.cs).count() - 1;
            if same < self.limits.recursion && self.f.frames.len() <= self.limits.depth {
                return self.check_limits(place);
            }
            if has_executor(place.code, place.position) {
                self.link(place);
                return Ok(());
            }
            let too_deep = same < self.limits.recursion;
            return self.end(place, if too_deep { AbortReason::TooDeep } else { AbortReason::RecursionUnrolled });
        }
        // An executor that begins where a generator yields to is for those that come from its frame. One that begins in the generator, too:
        // it yields as a rule before it is there again.
        // One that goes round a loop over a generator expects it where a round leaves it.
        let position = place.position as u32;
        let begins = !back_edge && lower::begins_generator(state);
        let passes =
            self.yielded || begins || self.f.top().generator.is_some() && !self.f.top().rounds.contains_key(&position);
        if !passes && has_executor(place.code, place.position) {
            self.link(place);
            return Ok(());
        }
        if passes {
            self.f.top_mut().rounds.entry(position).or_insert(0);
        }
        if back_edge {
            let rounds = self.f.top_mut().rounds.entry(position).or_insert(0);
            *rounds += 1;
            if *rounds > self.limits.inner_rounds {
                return self.end(place, AbortReason::InnerLoop);
            }
        }
        self.check_limits(place)
    }

    fn check_limits(&mut self, place: Place) -> Step<()> {
        if self.f.snapshot_size() > self.limits.snapshot_slots {
            return Err(AbortReason::SnapshotTooLarge);
        }
        if self.f.objects.len() > self.limits.constants {
            return Err(AbortReason::TooManyConstants);
        }
        if self.f.count >= self.limits.instructions || self.f.len() >= self.limits.ops {
            return self.end(place, AbortReason::TooLong);
        }
        Ok(())
    }

    /// Goes on in the executor that begins here.
    fn link(&mut self, place: Place) {
        self.f.begin(place.position as u32);
        self.f.flush();
        let id = self.executors.iter().position(|&p| p == place).unwrap_or_else(|| {
            self.executors.push(place);
            self.executors.len() - 1
        });
        self.f.snapshot_in_memory(Resume::At);
        self.f.builder.link(ExecutorRef::from_u32(id as u32), &[]);
        self.ended = true;
    }

    /// Leaves for tier 1 here, unless the trace is too short for that.
    fn end(&mut self, place: Place, reason: AbortReason) -> Step<()> {
        // What resumes a generator somewhere is of use however short it is: others come there as well.
        if self.f.count < self.limits.useful && self.f.top().generator.is_none() {
            return Err(reason);
        }
        self.f.begin(place.position as u32);
        self.f.exit(if reason == AbortReason::InnerLoop { ExitReason::InnerLoop } else { ExitReason::EndOfTrace });
        self.ended = true;
        Ok(())
    }

    fn finish(&mut self) -> Verdict {
        let code = CodeRef::from_u32(0);
        let f = core::mem::replace(&mut self.f, Frames::new(code, 0, unseen()));
        let instructions = f.count;
        let (codes, values, functions, types, held) =
            (f.codes.clone(), f.values.clone(), f.functions.clone(), f.types.clone(), f.held.clone());
        let uncounted = f.uncounted();
        let (mut superblock, objects, counts) = f.finish();
        count_exits(&mut superblock, &counts);
        let is_loop = superblock.prefix.last().is_some_and(|i| matches!(i.op, Op::JumpLoop { .. }));
        if is_loop {
            into_loop(&mut superblock, instructions);
        }
        if let Err(errors) = hotspur_ir::verify(&superblock) {
            debug_assert!(false, "the recorder made a malformed superblock: {}\n{superblock}", errors[0]);
            return Verdict::Aborted(AbortReason::VerifierFailed);
        }
        if self.limits.check
            && let Err(error) =
                ownership::check(&superblock, &|v| uncounted.contains(&v), self.entry_height.unwrap_or(0))
        {
            debug_assert!(false, "the recorder lost count of references: {error}\n{superblock}");
            return Verdict::Aborted(AbortReason::VerifierFailed);
        }
        if superblock.exits().count() > self.limits.exits {
            return Verdict::Aborted(AbortReason::TooManyExits);
        }
        Verdict::Finished(Box::new(Trace {
            superblock,
            objects,
            held,
            executors: core::mem::take(&mut self.executors),
            dependencies: Dependencies { codes: codes.clone(), values, functions, types, ..Dependencies::default() },
            codes,
            entry: self.entry,
            inherits: self.inherits,
        }))
    }

    // -- the instruction that is about to run

    unsafe fn instruction(&mut self, state: State) {
        self.f.begin(state.index() as u32);
        let base = INFO[usize::from((*state.pc).op)].base;
        if matches!(base, op::RETURN_VALUE | op::RETURN_CONST) && self.return_from_memory(state, base) {
            return;
        }
        if lower::goes_down_a_chain(state, base) {
            return self.execute_and_leave(state, Moves::Calls);
        }
        let raises = crate::history::has_raised(state.cs, state.index() as u32);
        let lowered = if raises { None } else { lower::lower(&mut self.f, state, base) };
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
        let ends = (*below).owner == FRAME_OWNED_BY_CSTACK;
        if self.f.frames.len() == 1 && ends {
            self.leave_landed();
        } else {
            self.pending = Pending::Return { below };
        }
        true
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
        let leaves = matches!(base, op::RETURN_VALUE | op::RETURN_CONST | op::RETURN_GENERATOR | op::YIELD_VALUE);
        if leaves && self.f.frames.len() == 1 {
            // Whoever goes on there may do so in another activation, which would never be seen.
            return self.execute_and_leave(state, Moves::Returns);
        }
        self.f.flush();
        self.f.forget();
        self.f.snapshot(Resume::At);
        let below = match self.f.frames.len() {
            0 | 1 => core::ptr::null_mut(),
            n => self.f.frames[n - 2].real,
        };
        self.pending = Pending::Execute { below };
    }
}

/// Writes down in snapshots how many instructions are done at exits, given the numbers for all ops.
fn count_exits(superblock: &mut Superblock, counts: &[u32]) {
    let mut counted: HashMap<SnapshotId, u32> = HashMap::new();
    for (inst, &count) in superblock.prefix.iter_mut().zip(counts) {
        let (Some(_), Some(id)) = (inst.op.exit_reason(), inst.snapshot) else { continue };
        if *counted.entry(id).or_insert(count) == count {
            superblock.snapshots[id].instructions = count;
        } else {
            // Two exits leave the same frames, after more instructions or fewer.
            let snapshot = Snapshot { instructions: count, ..superblock.snapshots[id].clone() };
            inst.snapshot = Some(superblock.snapshots.push(snapshot));
        }
    }
}

/// Makes a superblock that ends by going round again a loop.
fn into_loop(superblock: &mut Superblock, instructions: u32) {
    let insts = core::mem::take(&mut superblock.prefix);
    let enter = hotspur_ir::Inst { op: Op::EnterLoop { args: Box::default() }, result: None, snapshot: None };
    superblock.prefix.push(enter);
    superblock.body = Some(LoopBody { params: Vec::new(), insts, instructions });
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

/// Whether `frame` runs in an activation that was begun on top of `below`: by C code that an instruction of it called.
unsafe fn is_above(frame: *mut InterpreterFrame, below: *mut InterpreterFrame) -> bool {
    let mut entered = false;
    let mut at = frame;
    while !at.is_null() {
        if at == below {
            return entered;
        }
        entered |= (*at).owner == FRAME_OWNED_BY_CSTACK;
        at = (*at).previous;
    }
    false
}
