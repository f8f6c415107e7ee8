//! CPython as a runtime of superblocks: each op on real objects and real frames.
//!
//! [`Host`] is the state of one entry from tier 1, on the C stack of that entry: entries nest, because code that an executor
//! runs may enter executors. Its parts: `frames.rs` (frames in memory, virtual frames, publishing), `values.rs` (boxes,
//! building objects), `heap.rs` (attributes, items, dictionaries), `iterators.rs`, `calls.rs` (helpers).
//!
//! # Safety
//! Everything here is unsafe for one reason: it runs inside an activation, GIL held, on behalf of an executor whose superblock was
//! verified, and on frames that are those which it was made for. So operands are what the table of ops says they are.
#![allow(unsafe_op_in_unsafe_fn, reason = "one contract for the module, stated above")]

pub(crate) mod calls;
mod containers;
mod conventions;
mod dying;
mod frames;
mod functions;
mod generators;
mod heap;
mod instances;
mod iterators;
mod lists;
mod plans;
mod quiet;
mod sequence_iters;
mod values;

pub(crate) use dying::{dies_quietly, free_quiet, initialize as prepare};
pub(crate) use frames::{is_below, link_generator, push_on, suspend, suspended_at, unlink_generator};
pub(crate) use generators::{
    finish_generator, finish_quietly, is_suspended_at, new_generator, suspend as suspend_generator,
};
pub(crate) use iterators::is_exhausted;
pub(crate) use plans::{Plan, Taken};
pub(crate) use sequence_iters::free_iterator;
pub(crate) use values::{build as build_of, free_simple, new_instance_of};

use crate::executor::Executor;
use core::ptr::NonNull;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_interp::{Frame, Register, Runtime};
use hotspur_ir::{CodeRef, FloatKind, Helper, IntKind, Moves, ObjRef, Resume, VirtualKind};
use hotspur_tier1::context::Context;
use hotspur_tier1::tier2::Landing;
use smallvec::SmallVec;

/// A reference to an object.
pub type Obj = NonNull<PyObject>;

/// The object or null as a pointer.
#[inline(always)]
fn raw(object: Option<Obj>) -> *mut PyObject {
    object.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

/// A pointer as an object or null.
#[inline(always)]
fn cooked(object: *mut PyObject) -> Option<Obj> {
    NonNull::new(object)
}

/// Memory for something small ran out. Ops that allocate have no way to fail, see the conventions of the table of ops.
#[cold]
fn out_of_memory() -> ! {
    // SAFETY: it ends the process.
    unsafe { ffi::Py_FatalError(c"Hotspur: no memory for a small object".as_ptr()) }
}

/// A new object.
#[inline(always)]
fn made(object: *mut PyObject) -> Obj {
    NonNull::new(object).unwrap_or_else(|| out_of_memory())
}

/// What executors run on; see the module's documentation.
pub struct Host {
    cx: *mut Context,
    ts: *mut ThreadState,
    /// The executor that runs: its tables of constants, and whether it is valid.
    executor: *const Executor,
    /// Frames in memory, from the one where the superblock began.
    frames: SmallVec<[*mut InterpreterFrame; 8]>,
    /// How many of them `write_frames` has pushed for virtual frames, and that are to be withdrawn.
    pushed: usize,
    /// One above the top of the innermost frame's stack, as of the last time that frames were written.
    sp: *mut *mut PyObject,
    /// [`crate::locals::epoch`] when frames were written last.
    epoch: u64,
    /// Frames of this superblock are not what it thinks: other code changed their locals, or keeps a frame object of a virtual one.
    disturbed: bool,
    /// Where the last `execute` has led.
    landing: Landing,
}

impl Host {
    /// For entering executors from tier 1.
    ///
    /// # Safety
    /// Inside an activation of `cx`.
    pub unsafe fn new(cx: *mut Context) -> Host {
        Host {
            cx,
            // SAFETY: as the caller promises.
            ts: unsafe { (*cx).tstate },
            executor: core::ptr::null(),
            frames: SmallVec::new(),
            pushed: 0,
            sp: core::ptr::null_mut(),
            epoch: 0,
            disturbed: false,
            landing: Landing::default(),
        }
    }

    /// Goes on in another activation.
    ///
    /// # Safety
    /// As for [`Host::new`].
    pub(crate) unsafe fn set_context(&mut self, cx: *mut Context) {
        self.cx = cx;
        // SAFETY: as the caller promises.
        self.ts = unsafe { (*cx).tstate };
    }

    /// Makes ready for an executor that begins at a landing.
    ///
    /// # Safety
    /// `executor` outlives its run; execution stands at `at`, which is `Running`, where the executor begins.
    pub unsafe fn begin(&mut self, executor: *const Executor, at: &Landing) {
        self.executor = executor;
        self.frames.clear();
        self.frames.push(at.frame);
        self.pushed = 0;
        self.sp = at.sp;
        self.disturbed = false;
    }

    /// Goes on in a bridge, with the frames that there are.
    ///
    /// # Safety
    /// As for [`Host::begin`]; the frame where the executor before began is the only one in memory.
    pub unsafe fn go_on_in(&mut self, bridge: *const Executor) {
        self.executor = bridge;
        self.pushed = 0;
        self.disturbed = false;
        debug_assert_eq!(self.frames.len(), 1);
    }

    /// Where the last `execute` has led.
    pub fn landing(&self) -> Landing {
        self.landing
    }

    fn executor(&self) -> &Executor {
        // SAFETY: see `begin`.
        unsafe { &*self.executor }
    }

    fn code(&self, code: CodeRef) -> *mut PyCodeObject {
        self.executor().trace().code(code)
    }
}

impl Runtime for Host {
    type Obj = Obj;

    fn load_local(&mut self, depth: usize, index: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *self.local(depth, index) })
    }
    fn load_stack(&mut self, depth: usize, index: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *self.item(depth, index) })
    }
    fn globals(&mut self, depth: usize) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { (*self.frame(depth)).f_globals })
    }
    fn builtins(&mut self, depth: usize) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { (*self.frame(depth)).f_builtins })
    }
    fn spill_local(&mut self, depth: usize, index: usize, value: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { *self.local(depth, index) = raw(value) }
    }
    fn spill_stack(&mut self, depth: usize, index: usize, value: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { *self.item(depth, index) = raw(value) }
    }
    fn push_frame(&mut self, code: CodeRef, caller_pc: u32, function: Obj, locals: Vec<Option<Obj>>) {
        // SAFETY: see the module's documentation.
        unsafe { self.push_real_code(self.code(code), caller_pc, function, &locals) }
    }
    fn pop_frame(&mut self) {
        // SAFETY: see the module's documentation.
        unsafe { self.pop_real() }
    }
    fn write_frames(&mut self, _: Resume, frames: &[Frame<Obj>]) {
        // SAFETY: see the module's documentation.
        unsafe { self.write(frames) }
    }
    fn withdraw_frames(&mut self, _: &[Frame<Obj>]) -> Vec<(usize, usize, Option<Obj>)> {
        // SAFETY: see the module's documentation.
        unsafe { self.withdraw() }
    }

    fn const_obj(&mut self, object: ObjRef) -> Obj {
        made(self.executor().trace().object(object).object)
    }
    fn type_of(&mut self, value: Obj) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { ty(value.as_ptr()) }.cast())
    }
    fn type_version(&mut self, value: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { (*ty(value.as_ptr())).tp_version_tag }
    }
    fn class_version(&mut self, class: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { (*class.as_ptr().cast::<hotspur_cpython_sys::ffi::PyTypeObject>()).tp_version_tag }
    }
    fn keys_version(&mut self, dict: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { heap::keys_version(dict) }
    }
    fn shared_keys_version(&mut self, value: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { heap::shared_keys_version(value) }
    }
    fn instance_keys_version(&mut self, class: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { heap::instance_keys_version(class.as_ptr().cast()) }
    }
    fn global_version(&mut self, dict: Obj) -> u32 {
        crate::watch::dict_version(dict.as_ptr())
    }
    fn function_version(&mut self, function: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { heap::function_version(function) }
    }
    fn is_compact(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { long_is_compact(value.as_ptr()) }
    }
    fn is_wide(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { long_is_wide(value.as_ptr()) }
    }
    fn has_inline_values(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { heap::has_inline_values(value) }
    }
    fn has_dict(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { heap::has_dict(value) }
    }
    fn is_valid(&mut self) -> bool {
        // SAFETY: see the module's documentation.
        !self.disturbed && self.executor().is_going() && unsafe { !self.tools_are_active() }
    }
    fn wants_failure(&mut self) -> bool {
        super::driver::is_to_fail()
    }
    fn is_periodic_due(&mut self) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { self.is_attention_due() }
    }
    fn has_stack_space(&mut self) -> bool {
        // SAFETY: see the module's documentation.
        self.has_room()
    }

    fn unbox_i64(&mut self, value: Obj) -> i64 {
        // SAFETY: see the module's documentation.
        unsafe { long_compact_value(value.as_ptr()) as i64 }
    }
    fn unbox_wide(&mut self, value: Obj) -> i64 {
        // SAFETY: see the module's documentation.
        unsafe { long_wide_value(value.as_ptr()) }
    }
    fn box_i64(&mut self, value: i64) -> Obj {
        // SAFETY: see the module's documentation.
        unsafe { values::int(value) }
    }
    fn unbox_f64(&mut self, value: Obj) -> f64 {
        // SAFETY: see the module's documentation.
        unsafe { float_value(value.as_ptr()) }
    }
    fn box_f64(&mut self, value: f64) -> Obj {
        // SAFETY: see the module's documentation.
        unsafe { made(hotspur_tier1::boxes::new_float(value)) }
    }
    fn unbox_bool(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        value.as_ptr() == unsafe { ffi::Py_True() }
    }
    fn box_bool(&mut self, value: bool) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { if value { ffi::Py_True() } else { ffi::Py_False() } })
    }
    fn build(&mut self, kind: VirtualKind, fields: Vec<Register<Obj>>) -> Obj {
        // SAFETY: see the module's documentation.
        unsafe { values::build(kind, fields.as_slice()) }
    }

    fn load_inline(&mut self, value: Obj, index: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *inline_value_slot(inline_values(value.as_ptr()), index) })
    }
    fn store_inline(&mut self, value: Obj, index: usize, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { store_inline_value(value.as_ptr(), index, raw(content)) }
    }
    fn load_slot(&mut self, value: Obj, offset: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *heap::slot(value, offset) })
    }
    fn store_slot(&mut self, value: Obj, offset: usize, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { *heap::slot(value, offset) = raw(content) }
    }
    fn list_len(&mut self, list: Obj) -> i64 {
        // SAFETY: see the module's documentation.
        unsafe { size(list.as_ptr()) as i64 }
    }
    fn list_items(&mut self, list: Obj) -> u64 {
        // SAFETY: see the module's documentation.
        unsafe { list_items(list.as_ptr()) as u64 }
    }
    fn load_item(&mut self, items: u64, index: i64) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *(items as usize as *mut *mut PyObject).offset(index as isize) })
    }
    fn store_item(&mut self, items: u64, index: i64, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { *(items as usize as *mut *mut PyObject).offset(index as isize) = raw(content) }
    }
    fn tuple_len(&mut self, tuple: Obj) -> i64 {
        // SAFETY: see the module's documentation.
        unsafe { size(tuple.as_ptr()) as i64 }
    }
    fn load_tuple_item(&mut self, tuple: Obj, index: i64) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { tuple_item(tuple.as_ptr(), index as usize) })
    }
    fn typecode(&mut self, array: Obj) -> u32 {
        // SAFETY: see the module's documentation.
        unsafe { (*(*array.as_ptr().cast::<ArrayObject>()).ob_descr).typecode.into() }
    }
    fn array_len(&mut self, array: Obj) -> i64 {
        // SAFETY: see the module's documentation.
        unsafe { size(array.as_ptr()) as i64 }
    }
    fn array_elements(&mut self, array: Obj, offset: usize) -> u64 {
        // SAFETY: see the module's documentation.
        unsafe { *array.as_ptr().byte_add(offset).cast::<u64>() }
    }
    fn inner_elements(&mut self, object: Obj, offset: usize) -> u64 {
        object.as_ptr().expose_provenance() as u64 + offset as u64
    }
    fn load_element_i64(&mut self, elements: u64, index: i64, kind: IntKind) -> i64 {
        // SAFETY: see the module's documentation.
        kind.number(unsafe { heap::load_element(elements, index, kind.width()) })
    }
    fn load_element_f64(&mut self, elements: u64, index: i64, kind: FloatKind) -> f64 {
        // SAFETY: see the module's documentation.
        kind.number(unsafe { heap::load_element(elements, index, kind.width()) })
    }
    fn store_element_i64(&mut self, elements: u64, index: i64, kind: IntKind, content: i64) {
        // SAFETY: see the module's documentation.
        unsafe { heap::store_element(elements, index, kind.width(), kind.bits(content)) }
    }
    fn store_element_f64(&mut self, elements: u64, index: i64, kind: FloatKind, content: f64) {
        // SAFETY: see the module's documentation.
        unsafe { heap::store_element(elements, index, kind.width(), kind.bits(content)) }
    }
    fn load_cell(&mut self, cell: Obj) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { (*cell.as_ptr().cast::<PyCellObject>()).ob_ref })
    }
    fn store_cell(&mut self, cell: Obj, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { (*cell.as_ptr().cast::<PyCellObject>()).ob_ref = raw(content) }
    }
    fn load_dict_value(&mut self, dict: Obj, index: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *dict_value_slot(dict.as_ptr().cast(), index) })
    }
    fn store_dict_value(&mut self, dict: Obj, index: usize, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { heap::store_dict_value(dict, index, content) }
    }
    fn module_dict(&mut self, module: Obj) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { (*module.as_ptr().cast::<PyModuleObject>()).md_dict })
    }

    fn incref(&mut self, value: Obj) {
        // SAFETY: see the module's documentation.
        unsafe { incref(value.as_ptr()) }
    }
    fn decref(&mut self, value: Obj) {
        // SAFETY: see the module's documentation.
        unsafe { values::drop_reference(value) }
    }
    fn decref_no_dealloc(&mut self, value: Obj) {
        // SAFETY: see the module's documentation.
        unsafe { values::drop_reference(value) }
    }
    fn refcount(&mut self, value: Obj) -> usize {
        // SAFETY: see the module's documentation. The count of an immortal object is a large number, as it should.
        unsafe { refcnt(value.as_ptr()) as usize }
    }
    fn is_immortal(&mut self, value: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { is_immortal(value.as_ptr()) }
    }

    fn list_iter_next(&mut self, iter: Obj) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        unsafe { iterators::list_next(iter) }
    }
    fn tuple_iter_next(&mut self, iter: Obj) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        unsafe { iterators::tuple_next(iter) }
    }
    fn range_iter_next(&mut self, iter: Obj) -> Option<i64> {
        // SAFETY: see the module's documentation.
        unsafe { iterators::range_next(iter) }
    }
    fn is_iter_done(&mut self, iter: Obj) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { iterators::is_done(iter) }
    }

    fn is_plain_frame(&mut self) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { self.is_top_plain() }
    }
    fn return_value(&mut self, value: Obj, dropped: Vec<Option<Obj>>) {
        // SAFETY: see the module's documentation. A guard has found the frame plain.
        unsafe { self.return_from_top(value, &dropped) }
    }

    fn is_suspended_at(&mut self, generator: Obj, code: CodeRef, pc: u32) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { generators::is_suspended_at(generator, self.code(code), pc) }
    }
    fn is_untracked(&mut self) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { (*self.ts).coroutine_origin_tracking_depth == 0 }
    }
    fn load_generator(&mut self, generator: Obj, index: usize) -> Option<Obj> {
        // SAFETY: see the module's documentation.
        cooked(unsafe { *generators::slot(generator, index) })
    }
    fn store_generator(&mut self, generator: Obj, index: usize, content: Option<Obj>) {
        // SAFETY: see the module's documentation.
        unsafe { *generators::slot(generator, index) = raw(content) }
    }
    fn generator_globals(&mut self, generator: Obj) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { (*generator_frame(generator.as_ptr().cast())).f_globals })
    }
    fn generator_builtins(&mut self, generator: Obj) -> Obj {
        // SAFETY: see the module's documentation.
        made(unsafe { (*generator_frame(generator.as_ptr().cast())).f_builtins })
    }
    fn resume_generator(&mut self, generator: Obj) {
        // SAFETY: see the module's documentation.
        unsafe { (*generator.as_ptr().cast::<PyGenObject>()).gi_frame_state = FRAME_EXECUTING }
    }
    fn suspend_generator(&mut self, generator: Obj, code: CodeRef, pc: u32, stack: usize, delegates: bool) {
        // SAFETY: see the module's documentation.
        unsafe { generators::suspend(generator, self.code(code), pc, stack, delegates) }
    }
    fn push_generator(&mut self, generator: Obj, caller_pc: u32) {
        // SAFETY: see the module's documentation.
        unsafe { self.push_generator_frame(generator, caller_pc) }
    }
    fn pop_generator(&mut self) {
        // SAFETY: see the module's documentation.
        unsafe { self.pop_generator_frame() }
    }
    fn is_caller_at(&mut self, code: CodeRef, pc: u32) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { self.is_below(self.code(code), pc) }
    }
    fn unlink_first(&mut self) -> Obj {
        // SAFETY: see the module's documentation.
        unsafe { self.unlink_first_frame() }
    }
    fn finish_generator(&mut self, generator: Obj) {
        // SAFETY: see the module's documentation.
        unsafe {
            let generator = generator.as_ptr().cast();
            if !finish_quietly(generator) {
                finish_generator(self.ts, generator);
            }
        }
    }
    fn new_generator(&mut self, code: CodeRef, pc: u32, function: Obj, locals: Vec<Option<Obj>>) -> Obj {
        // SAFETY: see the module's documentation.
        unsafe {
            let generator = new_generator(function.as_ptr(), self.code(code), pc);
            for (i, &local) in locals.iter().enumerate() {
                *generators::slot(generator, i) = raw(local);
            }
            generator
        }
    }

    fn execute(&mut self, pc: u32, _: Moves) {
        // SAFETY: see the module's documentation.
        unsafe { self.step(pc) }
    }
    fn has_landed(&mut self, code: CodeRef, pc: u32, moves: Moves, stack: usize) -> bool {
        // SAFETY: see the module's documentation.
        unsafe { self.is_where_expected(self.code(code), pc, moves, stack) }
    }

    fn call_helper(&mut self, helper: Helper, args: &[Register<Obj>]) -> Option<Register<Obj>> {
        // SAFETY: see the module's documentation.
        let result = unsafe { calls::call(helper, args) };
        if let (Helper::Call | Helper::CallKw | Helper::CallAny, Register::Obj(Some(object))) = (helper, result) {
            // SAFETY: as above; the result is owned.
            let served = unsafe { calls::called(self.ts, object.as_ptr()) };
            return Some(Register::Obj(cooked(served)));
        }
        Some(result)
    }
}
