//! Entering a frame, jumps, returns.

use crate::context::Context;
use crate::counter::{advance, triggers};
use crate::dispatch::State;
use crate::eval::{escaped_slow, hand_over};
use crate::frames;
use crate::handler;
use crate::ops::unknown;
use crate::table::op;
use crate::tier2::{enter_executor, hot};
use hotspur_cpython_sys::*;

/// RESUME's argument says where in a generator it stands; from here on (`yield from`, `await`) no events are served.
const RESUME_AFTER_YIELD_FROM: usize = 2;
const RESUME_LOCATION_MASK: usize = 3;

/// What RESUME found that has to be seen to.
enum Served {
    /// A tool is active: CPython instruments the code at RESUME, and then executes what it wrote.
    Tool,
    /// What was served has raised.
    Error,
    /// Nothing is left.
    Fine,
}

/// Sees to what the `eval_breaker` says at a RESUME.
#[inline(never)]
unsafe fn serve(s: State) -> Served {
    s.save_ip();
    Context::refresh(s.cx);
    if (*(*s.cx).thread).tools_active {
        return Served::Tool;
    }
    (*s.cs).version = (*(*s.cx).thread).version;
    let pending = s.oparg() & RESUME_LOCATION_MASK < RESUME_AFTER_YIELD_FROM
        && (*s.tstate()).eval_breaker & EVAL_EVENTS_MASK != 0;
    if pending && _Py_HandlePending(s.tstate()) != 0 { Served::Error } else { Served::Fine }
}

/// Whether there are events, and a back-edge of the frame serves them: a shim's do not, C code has none.
unsafe fn serves_events(s: State) -> bool {
    (*s.tstate()).eval_breaker & EVAL_EVENTS_MASK != 0 && (*s.cs).counted != 0
}

handler! {
    RESUME(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(resume_slow);
        }
        s.next(1)
    }

    /// RESUME together with the JUMP_BACKWARD_NO_INTERRUPT behind it.
    RESUME_IN_YIELD_FROM(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(resume_slow);
        }
        let back = (*s.pc.add(1)).oparg as usize;
        s.pc = s.pc.add(2).sub(back);
        s.dispatch()
    }

    /// RESUME, counting down until tier 2 takes notice.
    RESUME_COUNTED(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(resume_slow);
        }
        let counter = (*s.pc).counter;
        if triggers(counter) {
            return s.tail(hot);
        }
        (*s.pc).counter = advance(counter);
        s.next(1)
    }

    /// RESUME at which an executor begins.
    RESUME_EXECUTOR(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(resume_executor_slow);
        }
        s.tail(enter_executor)
    }

    #[cold]
    resume_slow(s) {
        match serve(s) {
            Served::Tool => s.tail(hand_over),
            Served::Error => s.error(),
            Served::Fine => {
                s.pc = s.pc.add(1);
                s.tail(escaped_slow)
            }
        }
    }

    /// [`resume_slow`], and then the executor: unless it is gone, or what was served switched a tool on.
    #[cold]
    resume_executor_slow(s) {
        match serve(s) {
            Served::Tool => s.tail(hand_over),
            Served::Error => s.error(),
            Served::Fine if (*s.pc).op == op::RESUME_EXECUTOR && !(*(*s.cx).thread).tools_active => {
                s.tail(enter_executor)
            }
            Served::Fine => {
                s.pc = s.pc.add(1);
                s.tail(escaped_slow)
            }
        }
    }

    JUMP_FORWARD(s) {
        s.next(1 + s.oparg())
    }

    JUMP_BACKWARD(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(jump_backward_slow);
        }
        s.pc = s.pc.add(2).sub(s.oparg());
        s.dispatch()
    }

    /// JUMP_BACKWARD, counting down until tier 2 takes notice.
    JUMP_BACKWARD_COUNTED(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(jump_backward_slow);
        }
        let counter = (*s.pc).counter;
        if triggers(counter) {
            return s.tail(hot);
        }
        (*s.pc).counter = advance(counter);
        s.pc = s.pc.add(2).sub(s.oparg());
        s.dispatch()
    }

    /// JUMP_BACKWARD to where an executor begins.
    JUMP_BACKWARD_EXECUTOR(s) {
        if (*s.tstate()).eval_breaker != (*s.cs).version {
            return s.tail(jump_backward_executor_slow);
        }
        s.tail(enter_executor)
    }

    #[cold]
    jump_backward_slow(s) {
        s.save_ip();
        if serves_events(s) && _Py_HandlePending(s.tstate()) != 0 {
            return s.error();
        }
        s.pc = s.pc.add(2).sub(s.oparg());
        s.tail(escaped_slow)
    }

    /// [`jump_backward_slow`], and then the executor, unless it is gone.
    #[cold]
    jump_backward_executor_slow(s) {
        s.save_ip();
        if serves_events(s) && _Py_HandlePending(s.tstate()) != 0 {
            return s.error();
        }
        Context::refresh(s.cx);
        if (*s.pc).op == op::JUMP_BACKWARD_EXECUTOR && !(*(*s.cx).thread).tools_active {
            (*s.cs).version = (*(*s.cx).thread).version;
            return s.tail(enter_executor);
        }
        s.pc = s.pc.add(2).sub(s.oparg());
        s.tail(escaped_slow)
    }

    JUMP_BACKWARD_NO_INTERRUPT(s) {
        s.pc = s.pc.add(1).sub(s.oparg());
        s.dispatch()
    }

    POP_JUMP_IF_FALSE(s) {
        let jump = s.pop() == s.known().false_;
        s.branch(jump)
    }

    POP_JUMP_IF_TRUE(s) {
        let jump = s.pop() == s.known().true_;
        s.branch(jump)
    }

    POP_JUMP_IF_NONE(s) {
        let value = s.pop();
        if value == s.known().none {
            return s.branch(true);
        }
        s.decref_then_next(value, 2)
    }

    POP_JUMP_IF_NOT_NONE(s) {
        let value = s.pop();
        if value == s.known().none {
            return s.branch(false);
        }
        if decref_is_zero(value) {
            return s.tail_with(dealloc_then_branch, value as usize);
        }
        s.branch(true)
    }

    #[cold]
    dealloc_then_branch(s, object: usize) {
        s.save_ip();
        dealloc(object as *mut ffi::PyObject);
        s.pc = s.pc.add(2 + s.oparg());
        s.next_escaped(0)
    }

    RETURN_VALUE(s) {
        let value = s.pop();
        s.return_(value)
    }

    RETURN_CONST(s) {
        let value = newref(*(*s.cs).consts.add(s.oparg()));
        s.return_(value)
    }

    // What CPython's code objects contain, but no frame that tier 1 runs ever reaches.
    CACHE(s) {
        s.tail(unknown)
    }

    RESERVED(s) {
        s.tail(unknown)
    }

    INTERPRETER_EXIT(s) {
        s.tail(unknown)
    }

    EXIT_INIT_CHECK(s) {
        s.tail(unknown)
    }

    ENTER_EXECUTOR(s) {
        s.tail(unknown)
    }
}

impl State {
    /// Ends a conditional jump: by its argument, or to the next instruction.
    #[inline(always)]
    unsafe fn branch(self, jump: bool) -> crate::dispatch::Ret {
        self.next(2 + if jump { self.oparg() } else { 0 })
    }

    /// Leaves the frame with a value.
    #[inline(always)]
    unsafe fn return_(self, value: *mut ffi::PyObject) -> crate::dispatch::Ret {
        // For a frame object that outlives the frame.
        self.save_ip();
        self.save_sp();
        let previous = frames::leave(self.tstate(), self.frame, (*self.cs).counted);
        frames::resume_with_value(self.cx, previous, value, usize::from((*previous).return_offset))
    }
}
