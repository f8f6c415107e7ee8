//! The layout of CPython's structures, for the code generator.

use crate::executor::Executor;
use crate::exits::Exit;
use core::ffi::c_void;
use core::mem::offset_of;
use hotspur_codegen::{Boxes, Enumerates, InlineOrder, Landings, Layout, Returns, Tables};
use hotspur_cpython_sys::ffi::{self, PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_tier1::code::{CodeState, Word};
use hotspur_tier1::tier2::{Landing, LandingKind};
use hotspur_tier1::{boxes, context};

/// The layout of the CPython that runs.
pub(super) fn layout() -> Layout {
    const OBJECT: i32 = size_of::<PyObject>() as i32;
    // SAFETY: they exist as long as the process.
    let (true_object, false_object) = unsafe { (ffi::Py_True() as u64, ffi::Py_False() as u64) };
    let (ints, floats) = boxes::lists();
    // SAFETY: tier 1 is initialized, and the GIL held; the hook is the interpreter's, of which there is one.
    let (extra, hook) = unsafe {
        let interpreter = (*ffi::PyThreadState_Get().cast::<ThreadState>()).interp;
        (context::extra_index(), interpreter.byte_add(INTERP_EVAL_FRAME_OFFSET) as u64)
    };
    Layout {
        ob_refcnt: 0,
        ob_type: offset_of!(PyObject, ob_type) as i32,
        tp_version_tag: offset_of!(PyTypeObject, tp_version_tag) as i32,
        ht_cached_keys: HT_CACHED_KEYS_OFFSET as i32,
        dk_version: offset_of!(DictKeys, dk_version) as i32,
        ma_keys: offset_of!(PyDictObject, ma_keys) as i32,
        func_version: offset_of!(PyFunctionObject, func_version) as i32,
        lv_tag: offset_of!(PyLongObject, lv_tag) as i32,
        ob_digit: offset_of!(PyLongObject, ob_digit) as i32,
        ob_fval: offset_of!(PyFloatObject, ob_fval) as i32,
        list_ob_item: offset_of!(PyListObject, ob_item) as i32,
        allocated: Some(offset_of!(PyListObject, allocated) as i32),
        ob_size: offset_of!(PyListObject, ob_base) as i32 + OBJECT,
        ob_descr: offset_of!(ArrayObject, ob_descr) as i32,
        tuple_ob_item: offset_of!(PyTupleObject, ob_item) as i32,
        ob_ref: offset_of!(PyCellObject, ob_ref) as i32,
        inline_values: OBJECT + offset_of!(DictValues, values) as i32,
        inline_valid: OBJECT + offset_of!(DictValues, valid) as i32,
        inline_order: Some(InlineOrder {
            capacity: OBJECT + offset_of!(DictValues, capacity) as i32,
            size: OBJECT + offset_of!(DictValues, size) as i32,
        }),
        managed_dict: MANAGED_DICT_OFFSET as i32,
        f_globals: offset_of!(InterpreterFrame, f_globals) as i32,
        f_builtins: offset_of!(InterpreterFrame, f_builtins) as i32,
        md_dict: offset_of!(PyModuleObject, md_dict) as i32,
        tables: Some(Tables {
            ma_values: offset_of!(PyDictObject, ma_values) as i32,
            dk_kind: offset_of!(DictKeys, dk_kind) as i32,
            dk_nentries: offset_of!(DictKeys, dk_nentries) as i32,
            dk_log2_index_bytes: offset_of!(DictKeys, dk_log2_index_bytes) as i32,
            dk_indices: offset_of!(DictKeys, dk_indices) as i32,
            dict_type: &raw const ffi::PyDict_Type as u64,
        }),
        it_index: offset_of!(ListIterObject, it_index) as i32,
        it_seq: offset_of!(ListIterObject, it_seq) as i32,
        enumerates: Some(Enumerates {
            en_index: offset_of!(EnumObject, en_index) as i32,
            en_sit: offset_of!(EnumObject, en_sit) as i32,
            en_result: offset_of!(EnumObject, en_result) as i32,
            gc_next: -(size_of::<GcHead>() as i32),
        }),
        range_start: offset_of!(RangeIterObject, start) as i32,
        range_step: offset_of!(RangeIterObject, step) as i32,
        range_len: offset_of!(RangeIterObject, len) as i32,
        localsplus: offset_of!(InterpreterFrame, localsplus) as i32,
        instr_ptr: offset_of!(InterpreterFrame, instr_ptr) as i32,
        stacktop: offset_of!(InterpreterFrame, stacktop) as i32,
        gi_frame_state: offset_of!(PyGenObject, gi_frame_state) as i32,
        gi_iframe: offset_of!(PyGenObject, gi_iframe) as i32,
        co_code_adaptive: offset_of!(PyCodeObject, co_code_adaptive) as i32,
        coroutine_origin_tracking_depth: offset_of!(ThreadState, coroutine_origin_tracking_depth) as i32,
        previous: offset_of!(InterpreterFrame, previous) as i32,
        eval_breaker: offset_of!(ThreadState, eval_breaker) as i32,
        current_frame: offset_of!(ThreadState, current_frame) as i32,
        landing_kind: offset_of!(Landing, kind) as i32,
        landing_pc: offset_of!(Landing, pc) as i32,
        landing_sp: offset_of!(Landing, sp) as i32,
        landing_frame: offset_of!(Landing, frame) as i32,
        true_object,
        false_object,
        boxes: Some(Boxes {
            // SAFETY: tier 1 is initialized.
            small_ints: unsafe { context::known() }.small_ints as u64,
            int_size: size_of::<PyLongObject>() as u32,
            ints: ints as u64,
            floats: floats as u64,
            room: boxes::ROOM_OFFSET as i32,
            int_type: &raw mut ffi::PyLong_Type as u64,
            float_type: &raw mut ffi::PyFloat_Type as u64,
        }),
        returns: Some(Returns {
            f_executable: offset_of!(InterpreterFrame, f_executable) as i32,
            f_funcobj: offset_of!(InterpreterFrame, f_funcobj) as i32,
            f_locals: offset_of!(InterpreterFrame, f_locals) as i32,
            frame_obj: offset_of!(InterpreterFrame, frame_obj) as i32,
            return_offset: offset_of!(InterpreterFrame, return_offset) as i32,
            owner: offset_of!(InterpreterFrame, owner) as i32,
            gi_exc_state: offset_of!(PyGenObject, gi_exc_state) as i32,
            previous_item: offset_of!(ErrStackItem, previous_item) as i32,
            exc_info: offset_of!(ThreadState, exc_info) as i32,
            py_recursion_remaining: offset_of!(ThreadState, py_recursion_remaining) as i32,
            datastack_chunk: offset_of!(ThreadState, datastack_chunk) as i32,
            datastack_top: offset_of!(ThreadState, datastack_top) as i32,
            datastack_limit: offset_of!(ThreadState, datastack_limit) as i32,
            func_globals: offset_of!(PyFunctionObject, func_globals) as i32,
            func_builtins: offset_of!(PyFunctionObject, func_builtins) as i32,
            chunk_data: offset_of!(StackChunk, data) as i32,
            owned_by_thread: FRAME_OWNED_BY_THREAD,
            owned_by_c_stack: FRAME_OWNED_BY_CSTACK,
            co_extra: offset_of!(PyCodeObject, co_extra) as i32,
            stream: (offset_of!(CodeObjectExtra, ce_extras) + extra * size_of::<usize>()) as i32,
            bias: offset_of!(CodeState, bias) as i32,
            landing_stream: offset_of!(Landing, cs) as i32,
            hook,
            evaluator: hotspur_tier1::eval_frame as *const c_void as u64,
        }),
    }
}

/// How machine code finds executors.
pub(super) fn landings() -> Landings {
    Landings {
        landing_code: offset_of!(Landing, cs) as i32,
        words: size_of::<CodeState>() as i32,
        executors: offset_of!(CodeState, executors) as i32,
        open: offset_of!(Executor, go) as i32,
        entry: offset_of!(Executor, entry) as i32,
        taken: offset_of!(Exit, linked) as i32,
        left: offset_of!(Exit, cold) as i32,
        ended: LandingKind::Ended as u8,
    }
}

// For each instruction there is an executor or null, at the same distance.
const _: () = assert!(size_of::<Word>() == size_of::<*mut Executor>());
// It loads the value of an entry whose key is a string, and tests for such keys.
const _: () = assert!(size_of::<DictUnicodeEntry>() == 16 && offset_of!(DictUnicodeEntry, me_value) == 8);
const _: () = assert!(DICT_KEYS_GENERAL == 0);
// Machine code tests for it.
const _: () = assert!(LandingKind::Running as u8 == 0);
// One layout serves both iterators.
const _: () = assert!(offset_of!(ListIterObject, it_index) == offset_of!(TupleIterObject, it_index));
const _: () = assert!(offset_of!(ListIterObject, it_seq) == offset_of!(TupleIterObject, it_seq));
