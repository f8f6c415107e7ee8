//! Frames in memory, and frames that exist only while other code may look.
//!
//! # What a frame in memory looks like
//! The thread's current frame executes: its `stacktop` is -1, as CPython has it, and `instr_ptr` is the instruction that is being
//! executed. The frames below are suspended in a call: `stacktop` is the height of their stack, `instr_ptr` the call, and
//! `return_offset` says where the return lands. While a superblock computes with values, slots and positions of its frames are
//! stale, and nobody can look: nothing but escaping ops runs other code, not even the collector (which CPython starts between
//! instructions only).
//!
//! # Publishing
//! [`Host::write`] brings the frames in memory to a snapshot's state, and pushes its virtual frames on the data stack, just as a
//! call would. For an exit that is all. For an escaping op, [`Host::withdraw`] takes it back:
//!
//! * Virtual frames that nobody has seen are popped. Their slots are not dropped: what they hold belongs to the superblock, or
//!   to the tier 2 interpreter, which took references for the purpose.
//! * If a virtual frame has got a frame object, then somebody may keep that, and it must go on to show this very frame. CPython
//!   copies a frame into its frame object when the frame ends, but ours has not ended. So the frames stay, the superblock is
//!   *disturbed*, and the `check_validity` that follows leaves it: the exit finds the frames pushed already, and only brings them up
//!   to date. From then on, they are ordinary frames.
//! * Locals are changed from outside through `f_locals` alone, and [`crate::locals`] counts such changes. If the
//!   count went up, every local of every frame that has a frame object is reported as changed. That is sound for those that are
//!   not: what is in memory is kept, with its reference.
//!
//! In rare cases, frames that stayed are more than the exit's snapshot has (the code between returned). They are ended as
//! CPython ends frames, but empty.

use super::plans::{Plan, Source, Taken};
use super::{Host, Obj, cooked, made, out_of_memory, raw};
use crate::executor::Executor;
use hotspur_codegen::Location;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_interp::{Content, Frame, Runtime};
use hotspur_ir::{Moves, Resume, Type};
use hotspur_tier1::code::{self, CodeState};
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::frames;
use hotspur_tier1::table::{INFO, LENGTH, flag, op};
use hotspur_tier1::tier2::{Landing, LandingKind, execute_one, return_from};

/// A frame's code.
unsafe fn state(frame: *mut InterpreterFrame) -> *mut CodeState {
    code::existing_state_of(frame_code(frame))
}

/// Number of locals, cells and free variables included.
unsafe fn locals_of(frame: *mut InterpreterFrame) -> usize {
    (*frame_code(frame)).co_nlocalsplus as usize
}

/// Length in words of the instruction at a position.
unsafe fn length_at(cs: *mut CodeState, pc: usize) -> usize {
    usize::from(LENGTH[usize::from((*CodeState::words(cs).add(pc)).op)])
}

/// What a frame's position in a snapshot means while it is suspended in a call: the index of its instruction, and how many words behind
/// that it goes on. An instruction that resumes a generator goes on where it jumps to. A call that makes an instance of a class is named by the INIT_RETURN in its last cache word, where it goes on when
/// `__init__` has returned; and so on.
pub(crate) unsafe fn suspended_at(cs: *mut CodeState, pc: u32) -> (usize, u16) {
    let pc = pc as usize;
    let word = *CodeState::words(cs).add(pc);
    if INFO[usize::from(word.op)].flags & flag::OURS != 0 {
        return (pc - word.oparg as usize, word.oparg as u16);
    }
    let target = if resumes_generators(word.op) { word.oparg as usize } else { 0 };
    (pc, (length_at(cs, pc) + target) as u16)
}

fn resumes_generators(number: u16) -> bool {
    matches!(INFO[usize::from(number)].base, op::FOR_ITER | op::SEND)
}

/// What machine code has left.
fn bits(at: Location, values: &[u64]) -> u64 {
    match at {
        Location::Values(i) => values[i as usize],
        Location::Constant(bits) => bits,
    }
}

pub(super) fn pointer(at: Location, values: &[u64]) -> *mut PyObject {
    core::ptr::with_exposed_provenance_mut(bits(at, values) as usize)
}

unsafe fn write_slots(slots: *mut *mut PyObject, contents: &[Content<Obj>]) {
    for (i, &content) in contents.iter().enumerate() {
        if let Content::Set(object) = content {
            *slots.add(i) = raw(object);
        }
    }
}

/// Pushes a frame on another, which has been suspended. Locals and stack are yet to be written.
pub(crate) unsafe fn push_on(
    ts: *mut ThreadState,
    caller: *mut InterpreterFrame,
    code: *mut PyCodeObject,
    function: *mut PyObject,
) -> *mut InterpreterFrame {
    let frame = push_frame_memory(ts, (*code).co_framesize as usize);
    if frame.is_null() {
        out_of_memory();
    }
    let func = function.cast::<PyFunctionObject>();
    (*frame).f_executable = newref(code.cast());
    (*frame).previous = caller;
    (*frame).f_funcobj = function;
    (*frame).f_globals = (*func).func_globals;
    (*frame).f_builtins = (*func).func_builtins;
    (*frame).f_locals = core::ptr::null_mut();
    (*frame).frame_obj = core::ptr::null_mut();
    (*frame).instr_ptr = code_units(code);
    (*frame).stacktop = -1;
    (*frame).return_offset = 0;
    (*frame).owner = FRAME_OWNED_BY_THREAD;
    (*ts).current_frame = frame;
    // Tier 1 goes on in it, and looks for nothing but a stream that is there.
    let cs = code::state_of(code);
    if cs.is_null() {
        out_of_memory();
    }
    (*ts).py_recursion_remaining -= (*cs).counted;
    frame
}

/// Suspends a frame in a call, with so many items on its stack.
pub(crate) unsafe fn suspend(frame: *mut InterpreterFrame, pc: u32, stack: usize) {
    let (at, offset) = suspended_at(state(frame), pc);
    (*frame).instr_ptr = code_units(frame_code(frame)).add(at);
    (*frame).return_offset = offset;
    (*frame).stacktop = (locals_of(frame) + stack) as i32;
}

/// Pushes the frame of a generator that runs on another, which has been suspended.
pub(crate) unsafe fn link_generator(
    ts: *mut ThreadState,
    caller: *mut InterpreterFrame,
    generator: *mut PyGenObject,
) -> *mut InterpreterFrame {
    let frame = generator_frame(generator);
    (*frame).previous = caller;
    (*frame).stacktop = -1;
    (*generator).gi_exc_state.previous_item = (*ts).exc_info;
    (*ts).exc_info = &raw mut (*generator).gi_exc_state;
    (*ts).current_frame = frame;
    (*ts).py_recursion_remaining -= 1;
    frame
}

/// Whether the frame below this one is suspended at this position of the code. (None of C's has code that is recorded.)
pub(crate) unsafe fn is_below(frame: *mut InterpreterFrame, code: *mut PyCodeObject, pc: u32) -> bool {
    (*(*frame).previous).instr_ptr == code_units(code).add(pc as usize)
}

/// Takes the top frame, a generator's, off again, and answers the one below, which goes on.
pub(crate) unsafe fn unlink_generator(ts: *mut ThreadState) -> *mut InterpreterFrame {
    let frame = (*ts).current_frame;
    let generator = frame_generator(frame);
    let caller = (*frame).previous;
    (*frame).previous = core::ptr::null_mut();
    (*ts).exc_info = (*generator).gi_exc_state.previous_item;
    (*generator).gi_exc_state.previous_item = core::ptr::null_mut();
    (*ts).current_frame = caller;
    (*ts).py_recursion_remaining += 1;
    caller
}

impl Host {
    /// Takes up the frames of an executor that runs as machine code: from the thread's top frame down to that where the
    /// executor began.
    pub(crate) unsafe fn take_frames(&mut self, executor: *const Executor, first: *mut InterpreterFrame) {
        self.executor = executor;
        self.pushed = 0;
        self.disturbed = false;
        self.frames.clear();
        let mut frame = (*self.ts).current_frame;
        while !frame.is_null() {
            self.frames.push(frame);
            if frame == first {
                break;
            }
            frame = (*frame).previous;
        }
        self.frames.reverse();
    }

    /// Takes up where the instruction that tier 1 executed last has led.
    pub(crate) fn landed(&mut self) {
        // SAFETY: the context of the activation.
        self.landing = unsafe { (*(*self.cx).thread).landing };
    }

    pub(super) unsafe fn local(&self, depth: usize, index: usize) -> *mut *mut PyObject {
        frame_locals(self.frames[depth]).add(index)
    }

    pub(super) fn frame(&self, depth: usize) -> *mut InterpreterFrame {
        self.frames[depth]
    }

    pub(super) unsafe fn item(&self, depth: usize, index: usize) -> *mut *mut PyObject {
        let frame = self.frames[depth];
        frame_locals(frame).add(locals_of(frame) + index)
    }

    fn top(&self) -> *mut InterpreterFrame {
        self.frames[self.frames.len() - 1]
    }

    /// Pushes a frame on the top one, which is suspended in the call at `caller_pc`; its stack is yet to be written.
    unsafe fn push(&mut self, code: *mut PyCodeObject, caller_pc: u32, function: *mut PyObject) {
        let caller = self.top();
        (*caller).return_offset = suspended_at(state(caller), caller_pc).1;
        let frame = push_on(self.ts, caller, code, function);
        self.frames.push(frame);
    }

    /// `push_frame`: the height of the caller's stack comes with the next snapshot.
    pub(crate) unsafe fn push_real_code(
        &mut self,
        code: *mut PyCodeObject,
        caller_pc: u32,
        function: Obj,
        locals: &[Option<Obj>],
    ) {
        let caller = self.top();
        (*caller).instr_ptr = code_units(frame_code(caller)).add(suspended_at(state(caller), caller_pc).0);
        self.push(code, caller_pc, function.as_ptr());
        let frame = self.top();
        for (i, &local) in locals.iter().enumerate() {
            *frame_locals(frame).add(i) = raw(local);
        }
        self.sp = frame_locals(frame).add(locals.len());
    }

    /// Links the frame of a generator to the top one, which is suspended in the instruction at `caller_pc`.
    unsafe fn link(&mut self, generator: Obj, caller_pc: u32) {
        let caller = self.top();
        (*caller).return_offset = suspended_at(state(caller), caller_pc).1;
        self.frames.push(link_generator(self.ts, caller, generator.as_ptr().cast()));
    }

    /// Takes the top frame, a generator's, off, and goes on in the one below.
    unsafe fn unlink(&mut self) {
        self.frames.pop();
        let caller = unlink_generator(self.ts);
        self.sp = frame_locals(caller).offset((*caller).stacktop as isize);
        (*caller).stacktop = -1;
    }

    /// `push_generator`: the height of the caller's stack comes with the next snapshot.
    pub(super) unsafe fn push_generator_frame(&mut self, generator: Obj, caller_pc: u32) {
        let caller = self.top();
        (*caller).instr_ptr = code_units(frame_code(caller)).add(suspended_at(state(caller), caller_pc).0);
        self.link(generator, caller_pc);
    }

    /// `pop_generator`.
    pub(super) unsafe fn pop_generator_frame(&mut self) {
        self.unlink();
    }

    /// `guard_caller`.
    pub(super) unsafe fn is_below(&self, code: *mut PyCodeObject, pc: u32) -> bool {
        is_below(self.frames[0], code, pc)
    }

    /// `unlink_first`.
    pub(super) unsafe fn unlink_first_frame(&mut self) -> Obj {
        let generator = made(frame_generator(self.frames[0]).cast());
        self.unlink();
        self.frames.push((*self.ts).current_frame);
        generator
    }

    /// `pop_frame`.
    pub(super) unsafe fn pop_real(&mut self) {
        let frame = self.top();
        (*frame).stacktop = self.sp.offset_from(frame_locals(frame)) as i32;
        // The caller's registers are taken up before finalizers run, which see it as the current frame.
        let caller = self.frames[self.frames.len() - 2];
        self.sp = frame_locals(caller).offset((*caller).stacktop as isize);
        (*caller).stacktop = -1;
        self.frames.pop();
        frames::leave(self.ts, frame, (*state(frame)).counted);
    }

    /// Brings frames to this state; see the module's documentation.
    pub(super) unsafe fn write(&mut self, states: &[Frame<Obj>]) {
        self.epoch = crate::locals::epoch();
        while self.frames.len() > states.len() {
            self.end_empty();
        }
        for (i, wanted) in states.iter().enumerate() {
            if i == self.frames.len() {
                if let Some(generator) = wanted.generator {
                    self.link(generator, states[i - 1].pc);
                } else {
                    self.push(self.code(wanted.code), states[i - 1].pc, raw(wanted.function));
                }
                self.pushed += 1;
            }
            let frame = self.frames[i];
            let is_top = i + 1 == states.len();
            let pc = if is_top { wanted.pc as usize } else { suspended_at(state(frame), wanted.pc).0 };
            (*frame).instr_ptr = code_units(frame_code(frame)).add(pc);
            let locals = frame_locals(frame);
            let stack = locals.add(locals_of(frame));
            write_slots(locals, &wanted.locals);
            write_slots(stack, &wanted.stack);
            if i + 1 == states.len() {
                (*frame).stacktop = -1;
                self.sp = stack.add(wanted.stack.len());
            } else {
                (*frame).stacktop = (locals_of(frame) + wanted.stack.len()) as i32;
            }
        }
    }

    /// Does the same by a plan, given the values that machine code has left, and collects the references that it takes. False if there are frames in memory
    /// that the plan does not have.
    pub(crate) unsafe fn show(&mut self, plan: &Plan, values: &[u64], taken: &mut Vec<Taken>) -> bool {
        if self.frames.len() > plan.frames.len() {
            return false;
        }
        self.epoch = crate::locals::epoch();
        let mut caller_pc = 0;
        for (i, wanted) in plan.frames.iter().enumerate() {
            if i == self.frames.len() {
                if let Some(Source::Share(_, at)) = wanted.generator {
                    self.link(made(pointer(at, values)), caller_pc);
                } else if let Some(source) = wanted.function {
                    let function = self.shown(source, values, |object| taken.push((i, None, object)));
                    self.push(self.code(wanted.code), caller_pc, function);
                }
                self.pushed += 1;
            }
            let frame = self.frames[i];
            let locals = frame_locals(frame);
            let stack = locals.add(locals_of(frame));
            for store in &wanted.stores {
                let local = store.is_local.then_some(store.index as usize);
                let object = self.shown(store.source, values, |object| taken.push((i, local, object)));
                *if store.is_local { locals } else { stack }.add(store.index as usize) = object;
            }
            let is_top = i + 1 == plan.frames.len();
            let pc = if is_top { wanted.pc as usize } else { suspended_at(state(frame), wanted.pc).0 };
            (*frame).instr_ptr = code_units(frame_code(frame)).add(pc);
            if is_top {
                (*frame).stacktop = -1;
                self.sp = stack.add(wanted.stack as usize);
            } else {
                (*frame).stacktop = (locals_of(frame) + wanted.stack as usize) as i32;
            }
            caller_pc = wanted.pc;
        }
        true
    }

    /// The object that a slot shows. If a reference was taken for it, that is noted.
    #[inline(always)]
    unsafe fn shown(&mut self, source: Source, values: &[u64], note: impl FnOnce(Obj)) -> *mut PyObject {
        let (ty, at) = match source {
            Source::Null => return core::ptr::null_mut(),
            Source::Own(at) => return pointer(at, values),
            Source::Share(ty, at) => (ty, at),
        };
        let object = match ty {
            Type::Obj => cooked(pointer(at, values)),
            Type::I64 => Some(self.box_i64(bits(at, values) as i64)),
            Type::F64 => Some(self.box_f64(f64::from_bits(bits(at, values)))),
            Type::Bool => Some(self.box_bool(bits(at, values) as u8 != 0)),
            Type::Ptr => unreachable!("a plan has no addresses"),
        };
        if let Some(object) = object {
            if matches!(ty, Type::Obj | Type::Bool) {
                incref(object.as_ptr());
            }
            note(object);
        }
        raw(object)
    }

    /// Takes back what was pushed, if that can be; see the module's documentation.
    pub(crate) unsafe fn withdraw(&mut self) -> Vec<(usize, usize, Option<Obj>)> {
        let ends =
            |i: usize| i + self.pushed >= self.frames.len() && (*self.frames[i]).owner != FRAME_OWNED_BY_GENERATOR;
        if (0..self.frames.len()).any(|i| ends(i) && !(*self.frames[i]).frame_obj.is_null()) {
            self.disturbed = true;
        } else if !self.disturbed {
            // Once disturbed, what is pushed stays until the exit.
            while self.pushed > 0 {
                self.unpush();
            }
        }
        if self.epoch == crate::locals::epoch() { Vec::new() } else { self.changed_locals() }
    }

    /// The locals that other code may have changed: which they are is not known, so these are all that it could get at.
    pub(crate) unsafe fn changed_locals(&mut self) -> Vec<(usize, usize, Option<Obj>)> {
        let mut changed = Vec::new();
        for (depth, &frame) in self.frames.iter().enumerate().filter(|(_, frame)| !(***frame).frame_obj.is_null()) {
            let locals = frame_locals(frame);
            changed.extend((0..locals_of(frame)).map(|i| (depth, i, cooked(*locals.add(i)))));
        }
        self.disturbed |= !changed.is_empty();
        changed
    }

    /// Takes a frame off that nobody has seen, and goes on in its caller.
    unsafe fn unpush(&mut self) {
        let frame = self.top();
        debug_assert!((*self.ts).current_frame == frame);
        if (*frame).owner == FRAME_OWNED_BY_GENERATOR {
            self.unlink();
            self.pushed -= 1;
            return;
        }
        self.frames.pop();
        let caller = (*frame).previous;
        (*self.ts).current_frame = caller;
        (*self.ts).py_recursion_remaining += (*state(frame)).counted;
        let stack = frame_locals(caller).offset((*caller).stacktop as isize);
        (*caller).stacktop = -1;
        self.sp = stack;
        self.pushed -= 1;
        let code = (*frame).f_executable;
        _PyThreadState_PopFrame(self.ts, frame);
        // Not the last reference: the function has one.
        decref(code);
    }

    /// Ends a frame that stayed although it has no place in the snapshot.
    unsafe fn end_empty(&mut self) {
        let frame = self.top();
        if (*frame).owner == FRAME_OWNED_BY_GENERATOR {
            self.unlink();
            self.pushed = self.pushed.saturating_sub(1);
            return;
        }
        let locals = frame_locals(frame);
        for i in 0..locals_of(frame) {
            *locals.add(i) = core::ptr::null_mut();
        }
        (*frame).stacktop = locals_of(frame) as i32;
        // The superblock has not given it its function for good.
        incref((*frame).f_funcobj);
        let caller = self.frames[self.frames.len() - 2];
        self.sp = frame_locals(caller).offset((*caller).stacktop as isize);
        (*caller).stacktop = -1;
        self.frames.pop();
        self.pushed = self.pushed.saturating_sub(1);
        frames::leave(self.ts, frame, (*state(frame)).counted);
    }

    /// Where an exit leads; its frames have been written.
    ///
    /// # Safety
    /// After [`hotspur_interp::run`] has left the executor with this snapshot.
    pub unsafe fn left_at(&self, resume: Resume, pc: usize) -> Landing {
        // After `landed`, the frames that there were may be gone.
        let kind = match resume {
            Resume::At | Resume::After => LandingKind::Running,
            Resume::Raise => LandingKind::Raised,
            Resume::Landed => return self.landing,
        };
        let frame = self.top();
        let cs = state(frame);
        let pc = if resume == Resume::After { pc + length_at(cs, pc) } else { pc };
        Landing { kind, pc: CodeState::words(cs).add(pc), sp: self.sp, frame, cs, value: core::ptr::null_mut() }
    }

    /// Has tier 1 execute the instruction at this position of the top frame.
    pub(super) unsafe fn step(&mut self, pc: u32) {
        crate::losing::charge(self.executor(), crate::params::Parameter::ExecuteCost);
        let frame = self.top();
        let cs = state(frame);
        let at = State { pc: CodeState::words(cs).add(pc as usize), sp: self.sp, frame, cx: self.cx, cs };
        self.landing = execute_one(at);
    }

    /// Whether the last `execute` has led there; the frames in memory are those that there are then.
    pub(crate) unsafe fn is_where_expected(
        &mut self,
        code: *mut PyCodeObject,
        pc: u32,
        moves: Moves,
        stack: usize,
    ) -> bool {
        let landing = self.landing;
        if landing.kind != LandingKind::Running || (*landing.cs).code != code {
            return false;
        }
        let depth = self.frames.len();
        let expected_frame = match moves {
            Moves::Stays => landing.frame == self.top(),
            Moves::Calls => (*landing.frame).previous == self.top(),
            // The caller of the first frame may be any.
            Moves::Returns => depth == 1 || landing.frame == self.frames[depth - 2],
            Moves::Unwinds => landing.frame == self.frames[depth - 3],
        };
        let height = landing.sp.offset_from(frame_locals(landing.frame)) as usize;
        if !expected_frame
            || landing.pc != CodeState::words(landing.cs).add(pc as usize)
            || height != locals_of(landing.frame) + stack
        {
            return false;
        }
        match moves {
            Moves::Stays => {}
            Moves::Calls => self.frames.push(landing.frame),
            Moves::Returns => {
                self.frames.pop();
                if self.frames.is_empty() {
                    self.frames.push(landing.frame);
                }
            }
            Moves::Unwinds => self.frames.truncate(depth - 2),
        }
        self.sp = landing.sp;
        true
    }

    /// `return_value`.
    pub(super) unsafe fn return_from_top(&mut self, value: Obj, dropped: &[Option<Obj>]) {
        let dropped: smallvec::SmallVec<[_; 16]> = dropped.iter().map(|&o| raw(o)).collect();
        return_from(self.cx, self.top(), value.as_ptr(), &dropped);
        Context::refresh(self.cx);
        self.landed();
    }

    /// `guard_plain_frame`.
    pub(super) unsafe fn is_top_plain(&self) -> bool {
        let frame = self.top();
        (*frame).owner == FRAME_OWNED_BY_THREAD && (*frame).frame_obj.is_null() && (*frame).f_locals.is_null()
    }

    /// Whether frames belong to somebody else now; see [`crate::driver::may_run`].
    pub(super) unsafe fn tools_are_active(&self) -> bool {
        !crate::driver::may_run(self.cx)
    }

    /// Whether something asks the thread for attention.
    pub(super) unsafe fn is_attention_due(&self) -> bool {
        (*self.ts).eval_breaker != (*(*self.cx).thread).version
    }

    /// Whether frames may be pushed: those of the code, and of all calls that this superblock inlines at any one time. They are
    /// counted together, because those that are virtual at this point cannot be seen here. The data stack grows as needed.
    pub(crate) fn has_room(&self) -> bool {
        // SAFETY: the thread state of the activation.
        unsafe { (*self.ts).py_recursion_remaining > self.executor().most_frames() as i32 }
    }
}
