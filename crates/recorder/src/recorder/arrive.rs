//! The instruction before: where it has really led to, and what follows from that.

use super::{Pending, Recorder, Step, frame, height};
use crate::history;
use crate::lower::{self, Jump};
use crate::state::Slot;
use hotspur_cpython_sys::*;
use hotspur_ir::{AbortReason, Moves, Resume};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};

impl Recorder {
    /// Finishes the instruction before, which has led to `state`. Answers whether it was a loop's back-edge; None if this is an instruction of
    /// another activation, which runs in between.
    pub(super) unsafe fn arrive(&mut self, state: State) -> Step<Option<bool>> {
        let top = self.f.top().real;
        let position = state.index() as u32;
        if let Pending::Execute { below } = self.pending {
            let moves = if state.frame == top && position == 0 {
                // A call that begins: an exception has left the activation, and the frame's memory is another's now.
                return self.left();
            } else if state.frame == top {
                Moves::Stays
            } else if (*state.frame).previous == top {
                Moves::Calls
            } else if state.frame == below {
                Moves::Returns
            } else if self.is_two_below(state.frame) {
                Moves::Unwinds
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
        if let Pending::Around { position: expected } = self.pending {
            return self.returned_to(state, expected);
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
                history::note_raised(self.f.top().cs, self.f.top().pc);
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
                history::note_raised(self.f.top().cs, self.f.top().pc);
                Err(AbortReason::ExceptionRaised)
            }
            Pending::Jump(jump) => {
                if position != jump.next && position != jump.target {
                    return Err(AbortReason::ExceptionRaised);
                }
                self.jumped(jump, position);
                Ok(Some(false))
            }
            Pending::Call | Pending::Around { .. } | Pending::Execute { .. } | Pending::Return { .. } => Ok(None),
        }
    }

    /// What the instruction has called runs, or has returned to this position of the top frame.
    unsafe fn returned_to(&mut self, state: State, expected: u32) -> Step<Option<bool>> {
        let (top, pc) = (self.f.top().real, self.f.top().pc);
        let position = state.index() as u32;
        if state.frame != top {
            return if lies_on(state.frame, top) { Ok(None) } else { Err(AbortReason::ExceptionRaised) };
        }
        if state.cs != self.f.top().cs {
            return Err(AbortReason::CodeChanged);
        }
        if position == expected || self.taken_along(expected, position) {
            return Ok(Some(false));
        }
        if pc < position && position < expected {
            // What waits for the end of `__init__`, for one.
            return Ok(None);
        }
        history::note_raised(self.f.top().cs, pc);
        Err(AbortReason::ExceptionRaised)
    }

    /// Whether this is the frame below the caller of the top one.
    fn is_two_below(&self, frame: *mut InterpreterFrame) -> bool {
        let frames = &self.f.frames;
        frames.len() > 2 && frames[frames.len() - 3].real == frame
    }

    /// The instruction that tier 1 executed has led further than frames are followed: an exception has left more than two of them, or all. The trace
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
        if expected as usize >= (*cs).len as usize {
            return false;
        }
        let word = *CodeState::words(cs).add(expected as usize);
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
            // Tier 1 has not counted it: it leaves that to the executor that will begin here.
            self.tick(word);
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
            Moves::Unwinds => {
                self.f.frames.pop();
                return self.returned(state);
            }
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
}

/// Whether `frame` is one of those above `below`.
unsafe fn lies_on(frame: *mut InterpreterFrame, below: *mut InterpreterFrame) -> bool {
    let mut at = frame;
    while !at.is_null() && at != below {
        at = (*at).previous;
    }
    !at.is_null()
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
