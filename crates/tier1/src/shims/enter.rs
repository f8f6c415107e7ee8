//! Entering a shim, and on top of it the method.

use super::{COUNT, Found, Operand, ROWS, Row, Shim, entries};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::table::{INFO, LENGTH, op};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// The name that LOAD_ATTR or STORE_ATTR at `pc` is about.
#[inline(always)]
pub unsafe fn attribute_name(s: State) -> *mut PyObject {
    let is_load = INFO[usize::from((*s.pc).op)].base == op::LOAD_ATTR;
    s.name(s.oparg() >> usize::from(is_load))
}

impl Operand {
    /// The object, borrowed; null where there is none.
    #[inline(always)]
    unsafe fn get(self, s: State) -> *mut PyObject {
        match self {
            Operand::Item(n) => s.peek(n),
            Operand::Argument => s.known().small_ints.add(s.oparg() + 5).cast(),
            Operand::Descriptor => type_lookup(ty(s.peek(1)), attribute_name(s)),
            Operand::Class => ty(s.peek(1)).cast(),
            Operand::Name => attribute_name(s),
            Operand::Unset => ptr::null_mut(),
        }
    }
}

impl State {
    /// Enters what was found. The instruction must be saved.
    #[inline(always)]
    pub(crate) unsafe fn enter_found(self, found: Found) -> Ret {
        self.tail_with(entries::ENTRIES[found.kind as usize], found.function as usize)
    }

    /// Pops the instruction's operands, pushes the frame of a shim, which takes them over, and on it that of the method; then executes the
    /// method. Values are written one by one: see [`frames::push_unchecked`].
    #[inline(always)]
    pub(super) unsafe fn enter_shim<const KIND: usize>(mut self, method: *mut PyFunctionObject) -> Ret {
        const { assert!(KIND < COUNT) };
        let row: &Row = &ROWS[KIND];
        let shim: *const Shim = &raw const (*super::SHIMS.0.get()).as_ref().unwrap_unchecked().shims[KIND];
        let ts = self.tstate();
        let frame = frames::push(ts, (*shim).function, row.own.len());
        if frame.is_null() {
            return self.error();
        }
        let callee = frames::push(ts, method, row.args.len());
        if callee.is_null() {
            return self.tail_with(drop_shim, frame as usize);
        }
        for (i, operand) in row.own.iter().enumerate() {
            let object = operand.get(self);
            if !matches!(operand, Operand::Item(_) | Operand::Unset) {
                incref(object);
            }
            frame_locals(frame).add(i).write_volatile(object);
        }
        incref(method.cast());
        for (i, operand) in row.args.iter().enumerate() {
            frame_locals(callee).add(i).write_volatile(newref(operand.get(self)));
        }
        self.shrink(row.pops);
        let length = usize::from(LENGTH[usize::from((*self.pc).op)]);
        self.enter_on_shim(shim, frame, callee, if row.waits == 0 { length } else { row.waits })
    }

    /// Enters a callee, as if the shim, whose frame is filled in, had called it. The shim returns to so many words behind the instruction, which is saved,
    /// and whose operands are popped.
    #[inline(always)]
    pub(super) unsafe fn enter_on_shim(
        self,
        shim: *const Shim,
        frame: *mut InterpreterFrame,
        callee: *mut InterpreterFrame,
        return_offset: usize,
    ) -> Ret {
        self.save_sp();
        (*self.frame).return_offset = return_offset as u16;
        (*frame).previous = self.frame;
        let cs = (*shim).cs;
        let sp = frame_locals(frame).add((*(*cs).code).co_nlocalsplus as usize);
        let pc = crate::code::CodeState::words(cs).add((*shim).call);
        State { pc, sp, frame, cx: self.cx, cs }.enter(callee, usize::from(LENGTH[usize::from(op::CALL)]))
    }
}

crate::handler! {
    /// There is no memory for the method's frame; the shim's, the payload, was not filled in yet. The operands are on the stack.
    #[cold]
    drop_shim(s, frame: usize) {
        _PyThreadState_PopFrame(s.tstate(), frame as *mut InterpreterFrame);
        s.error()
    }
}
