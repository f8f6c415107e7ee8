//! How handlers are written, and how control passes from one to the next.
//!
//! # Handlers
//! Every instruction is a function of type [`Handler`]: the interpreter's registers come in as its six arguments (which the
//! platform passes in machine registers) and it ends by calling the handler of the next instruction, through the dispatch
//! table in the [`Context`], as a tail call that the compiler turns into a jump. Nothing is kept in memory between two
//! instructions but what CPython keeps there, and there is no central loop.
//!
//! The jump depends on three rules, which a test checks on the compiled code:
//! 1. A handler returns the result of the next handler and does nothing after it.
//! 2. A handler has no local whose address is passed on: such a local lives on the C stack, which then cannot be given
//!    up before the jump. Whatever needs an out-parameter goes into an `#[inline(never)]` helper that returns by value. The
//!    [`State`] itself is such a local if a function that is not inlined takes it: pass registers one by one.
//! 3. A handler's own fast path makes no calls if it can: where only the slow path calls, the slow path is a function of
//!    its own that is reached by a tail call too ([`State::tail`]), so that the registers it saves are not saved on the fast
//!    path. (Handlers are never inlined into one another, or that would be in vain.) Instructions that call something anyway pay for the saves once, which is what a loop would do as well.
//!
//! # What a handler must leave behind
//! * Before anything that can run other code (Python code through a finalizer included) or raise: [`State::save_ip`], so
//!   that `frame->instr_ptr` is the current instruction, as in CPython.
//! * After anything that can run other code: continue with [`State::next_escaped`], which notices that tracing or
//!   monitoring was switched on; after a call that CPython follows by its periodic check, [`State::next_periodic`].
//! * On an error, with the exception set and the stack pointer where CPython has it: [`State::error`].
//! * A specialization that finds its assumption broken changes nothing and tail-calls the base instruction's handler:
//!   `return s.tail(BASE)`. The base handler counts the miss and may specialize anew.
//!
//! # Safety
//! Handlers and the methods of [`State`] are `unsafe` for one reason: they run only inside an activation of the evaluation
//! loop, on registers that it set up: GIL held, `frame` the thread's current frame and decoded as `cs`, `pc` in its stream,
//! `sp` in its value stack with as many operands as the table says.

use crate::code::{CodeState, Word};
use crate::context::{Context, Known};
use crate::{context, table};
use core::mem::MaybeUninit;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// What an activation of the loop returns: a new reference, or null with an exception set.
pub type Ret = *mut PyObject;

/// The sixth register: a payload for slow paths, meaningless otherwise.
pub type Aux = MaybeUninit<usize>;

/// An instruction.
pub type Handler = unsafe extern "C-unwind" fn(
    pc: *mut Word,
    sp: *mut *mut PyObject,
    frame: *mut InterpreterFrame,
    cx: *mut Context,
    cs: *mut CodeState,
    aux: Aux,
) -> Ret;

/// The registers of the interpreter.
#[derive(Clone, Copy)]
pub struct State {
    /// The current instruction.
    pub pc: *mut Word,
    /// One above the top of the value stack.
    pub sp: *mut *mut PyObject,
    /// The current frame.
    pub frame: *mut InterpreterFrame,
    /// The thread's context.
    pub cx: *mut Context,
    /// The frame's code.
    pub cs: *mut CodeState,
}

/// Defines handlers: `handler! { NAME(s) { body } }`, or with the payload, `NAME(s, payload: usize) { body }`. The body is
/// unsafe code (see the module's documentation) with the registers in `s`.
#[macro_export]
macro_rules! handler {
    ($($(#[$meta:meta])* $name:ident($s:ident $(, $aux:ident : usize)?) $body:block)+) => { $(
        $(#[$meta])*
        #[inline(never)]
        #[allow(non_snake_case, unused_mut, clippy::missing_safety_doc, missing_docs)]
        pub unsafe extern "C-unwind" fn $name(
            pc: *mut $crate::code::Word,
            sp: *mut *mut hotspur_cpython_sys::ffi::PyObject,
            frame: *mut hotspur_cpython_sys::InterpreterFrame,
            cx: *mut $crate::context::Context,
            cs: *mut $crate::code::CodeState,
            _aux: $crate::dispatch::Aux,
        ) -> $crate::dispatch::Ret {
            $(let $aux: usize = _aux.assume_init();)?
            let mut $s = $crate::dispatch::State { pc, sp, frame, cx, cs };
            $body
        }
    )+ };
}

impl State {
    /// Goes on in another handler, with the registers as they are.
    #[inline(always)]
    pub unsafe fn tail(self, h: Handler) -> Ret {
        h(self.pc, self.sp, self.frame, self.cx, self.cs, MaybeUninit::uninit())
    }

    /// [`State::tail`] with a payload.
    #[inline(always)]
    pub unsafe fn tail_with(self, h: Handler, payload: usize) -> Ret {
        h(self.pc, self.sp, self.frame, self.cx, self.cs, MaybeUninit::new(payload))
    }

    /// Executes the instruction at `pc`.
    #[inline(always)]
    pub unsafe fn dispatch(self) -> Ret {
        let op = (*self.pc).op;
        let h = *(&raw const (*self.cx).table).cast::<Handler>().add(usize::from(op));
        self.tail(h)
    }

    /// Executes the instruction `words` further on.
    #[inline(always)]
    pub unsafe fn next(mut self, words: usize) -> Ret {
        self.pc = self.pc.add(words);
        self.dispatch()
    }

    /// [`State::next`] after something that may have run other code: if tracing or monitoring was switched on meanwhile,
    /// the frame is handed over. The registers must describe the next instruction when `words` is added.
    #[inline(always)]
    pub unsafe fn next_escaped(mut self, words: usize) -> Ret {
        self.pc = self.pc.add(words);
        if (*self.tstate()).eval_breaker != (*self.cs).version {
            return self.tail(crate::eval::escaped_slow);
        }
        self.dispatch()
    }

    /// [`State::next_escaped`], and pending events (signals, other threads, the collector) are served, as CPython does
    /// after calls. The registers must describe the *current* instruction still, with its results pushed.
    #[inline(always)]
    pub unsafe fn next_periodic(self, words: usize) -> Ret {
        if (*self.tstate()).eval_breaker != (*self.cs).version {
            return self.tail_with(crate::eval::periodic_slow, words);
        }
        self.next(words)
    }

    /// Drops a reference and executes the instruction `words` further on. The payload of the slow path is the object, so
    /// `words` must be the length of the instruction at `pc`, caches included.
    #[inline(always)]
    pub unsafe fn decref_then_next(self, op: *mut PyObject, words: usize) -> Ret {
        debug_assert_eq!(words, usize::from(table::LENGTH[usize::from((*self.pc).op)]));
        if decref_is_zero(op) {
            return self.tail_with(crate::ops::dealloc_then_next, op as usize);
        }
        self.next(words)
    }

    /// The argument.
    #[inline(always)]
    pub unsafe fn oparg(self) -> usize {
        (*self.pc).oparg as usize
    }

    /// The frame's `instr_ptr` for the instruction at `pc`.
    #[inline(always)]
    pub unsafe fn instr_ptr(self) -> *mut CodeUnit {
        (self.pc as usize >> 2).wrapping_add((*self.cs).bias) as *mut CodeUnit
    }

    /// Notes in the frame that the instruction at `pc` is being executed.
    #[inline(always)]
    pub unsafe fn save_ip(self) {
        (*self.frame).instr_ptr = self.instr_ptr();
    }

    /// Notes in the frame where its stack ends (for a frame that stops executing).
    #[inline(always)]
    pub unsafe fn save_sp(self) {
        let base = frame_locals(self.frame);
        (*self.frame).stacktop = self.sp.offset_from(base) as i32;
    }

    /// An exception is set: unwinds from the instruction at `pc`.
    #[inline(always)]
    pub unsafe fn error(self) -> Ret {
        self.tail(crate::unwind::error)
    }

    /// Index of the instruction at `pc` in its code, in code units.
    #[inline(always)]
    pub unsafe fn index(self) -> isize {
        self.pc.offset_from(CodeState::words(self.cs))
    }

    /// The thread state.
    #[inline(always)]
    pub unsafe fn tstate(self) -> *mut ThreadState {
        (*self.cx).tstate
    }

    /// Objects looked up at start.
    #[inline(always)]
    pub unsafe fn known(self) -> &'static Known {
        context::known()
    }

    /// A local's slot.
    #[inline(always)]
    pub unsafe fn local(self, i: usize) -> *mut *mut PyObject {
        frame_locals(self.frame).add(i)
    }

    /// A name of the code object, borrowed.
    #[inline(always)]
    pub unsafe fn name(self, i: usize) -> *mut PyObject {
        *(*self.cs).names.add(i)
    }

    /// Pushes a reference.
    #[inline(always)]
    pub unsafe fn push(&mut self, op: *mut PyObject) {
        *self.sp = op;
        self.sp = self.sp.add(1);
    }

    /// Pops a reference.
    #[inline(always)]
    pub unsafe fn pop(&mut self) -> *mut PyObject {
        self.sp = self.sp.sub(1);
        *self.sp
    }

    /// The value `n` from the top, the top being 1.
    #[inline(always)]
    pub unsafe fn peek(self, n: usize) -> *mut PyObject {
        *self.sp.sub(n)
    }

    /// Replaces the value `n` from the top; the old one's reference is the caller's.
    #[inline(always)]
    pub unsafe fn put(self, n: usize, op: *mut PyObject) {
        *self.sp.sub(n) = op;
    }

    /// Lowers the stack by `n`.
    #[inline(always)]
    pub unsafe fn shrink(&mut self, n: usize) {
        self.sp = self.sp.sub(n);
    }

    /// Cache word `i` (from 1) of the instruction at `pc`.
    #[inline(always)]
    pub unsafe fn cache(self, i: usize) -> *mut u64 {
        Word::cache(self.pc.add(i))
    }

    /// Makes the instruction at `pc` another one of its family, with the cool-down counter.
    #[inline(always)]
    pub unsafe fn specialize(self, op: u16) {
        debug_assert_eq!(table::INFO[usize::from(op)].base, table::INFO[usize::from((*self.pc).op)].base);
        (*self.pc).op = op;
        (*self.pc).counter = crate::counter::cooldown();
    }

    /// Makes the instruction at `pc` the unspecialized one of its family again and lets it wait longer before it retries.
    #[inline(always)]
    pub unsafe fn give_up(self) {
        (*self.pc).op = table::INFO[usize::from((*self.pc).op)].base;
        (*self.pc).counter = crate::counter::back_off((*self.pc).counter);
    }
}

/// The head of a base instruction that can specialize: if its counter says so, `$specializer` (an `#[inline(never)]` function
/// taking the [`State`]) rewrites the word and the new instruction is executed; otherwise the counter advances.
///
/// The specializer must call [`State::specialize`] or [`State::give_up`].
#[macro_export]
macro_rules! adapt {
    ($s:ident, $specializer:path) => {
        let counter = (*$s.pc).counter;
        if $crate::counter::triggers(counter) {
            return $s.tail({
                $crate::handler! {
                    #[cold]
                    specialize_and_retry(s) {
                        $specializer(s);
                        // Straight to the instruction, whatever the table: the recorder has seen this instruction already.
                        s.tail($crate::table::NORMAL[usize::from((*s.pc).op)])
                    }
                }
                specialize_and_retry
            });
        }
        (*$s.pc).counter = $crate::counter::advance(counter);
    };
}
