//! The toy heap as a runtime.

use super::{Generator, Kind, Nullable, Toy, ToyFrame, ToyRef};
use crate::machine::Register;
use crate::runtime::{Content, Frame, Runtime};
use hotspur_ir::{CodeRef, ElementKind, FloatKind, Helper, IntKind, Moves, ObjRef, Resume, VirtualKind};

/// Attributes in the inline values of every class.
const ATTRIBUTES: usize = 2;

fn write(slots: &mut Vec<Nullable>, contents: &[Content<ToyRef>]) {
    slots.resize(contents.len(), None);
    for (slot, content) in slots.iter_mut().zip(contents) {
        if let Content::Set(object) = *content {
            *slot = object;
        }
    }
}

impl Toy {
    /// The item, if this is the right kind of object and the index is in bounds.
    fn place(&mut self, object: ToyRef, index: usize, f: fn(&mut Kind) -> Option<&mut [Nullable]>) -> &mut Nullable {
        let in_bounds = f(self.look(object)).is_some_and(|items| index < items.len());
        if !in_bounds {
            self.fault("nothing there", object);
            // Somewhere to read from and to write to, so that the run goes on to report it.
            let spare = self.alloc(Kind::Cell(None));
            let Kind::Cell(item) = self.look(spare) else { unreachable!("it was made as a cell") };
            return item;
        }
        &mut f(self.look(object)).expect("looked at before")[index]
    }
}

impl Toy {
    /// The bits of an element, if this is an array with elements of that kind and the index is in bounds.
    fn element(&mut self, address: u64, index: i64, kind: ElementKind) -> &mut u64 {
        let array = ToyRef(address as u32);
        let is_there = |found: &Kind| {
            matches!(found, Kind::Array { typecode, elements }
                if ElementKind::of_typecode(*typecode) == Some(kind) && (index as usize) < elements.len())
        };
        if !is_there(self.look(array)) {
            self.fault("no such element there", array);
            // As in `place`.
            self.spare = 0;
            return &mut self.spare;
        }
        let Kind::Array { elements, .. } = self.look(array) else { unreachable!("looked at above") };
        &mut elements[index as usize]
    }
}

fn items(kind: &mut Kind) -> Option<&mut [Nullable]> {
    if let Kind::List(items) | Kind::Tuple(items) = kind { Some(items) } else { None }
}

fn inline(kind: &mut Kind) -> Option<&mut [Nullable]> {
    if let Kind::Instance { inline: Some(values), .. } = kind { Some(values) } else { None }
}

fn slots(kind: &mut Kind) -> Option<&mut [Nullable]> {
    if let Kind::Instance { slots, .. } = kind { Some(slots) } else { None }
}

fn content(kind: &mut Kind) -> Option<&mut [Nullable]> {
    if let Kind::Cell(item) = kind { Some(std::slice::from_mut(item)) } else { None }
}

fn entries(kind: &mut Kind) -> Option<&mut [Nullable]> {
    if let Kind::Dict { values, .. } = kind { Some(values) } else { None }
}

impl Runtime for Toy {
    type Obj = ToyRef;

    fn load_local(&mut self, depth: usize, index: usize) -> Nullable {
        self.frames[depth].locals[index]
    }
    fn load_stack(&mut self, depth: usize, index: usize) -> Nullable {
        self.frames[depth].stack[index]
    }
    fn globals(&mut self, _: usize) -> ToyRef {
        self.namespaces[0].expect("the run has namespaces")
    }
    fn builtins(&mut self, _: usize) -> ToyRef {
        self.namespaces[1].expect("the run has namespaces")
    }
    fn spill_local(&mut self, depth: usize, index: usize, value: Nullable) {
        self.frames[depth].locals[index] = value;
    }
    fn spill_stack(&mut self, depth: usize, index: usize, value: Nullable) {
        let stack = &mut self.frames[depth].stack;
        if stack.len() <= index {
            stack.resize(index + 1, None);
        }
        stack[index] = value;
    }
    fn push_frame(&mut self, code: CodeRef, caller_pc: u32, function: ToyRef, locals: Vec<Nullable>) {
        if let Some(caller) = self.frames.last_mut() {
            caller.pc = caller_pc;
        }
        self.frames.push(ToyFrame {
            code,
            pc: 0,
            function: Some(function),
            locals,
            stack: Vec::new(),
            generator: None,
        });
    }
    fn pop_frame(&mut self) {
        self.drop_frame();
    }
    fn is_plain_frame(&mut self) -> bool {
        !self.frames_kept && self.frames.last().is_some_and(|f| f.generator.is_none())
    }
    fn return_value(&mut self, value: ToyRef, dropped: Vec<Nullable>) {
        self.return_to_caller(value, dropped);
    }
    fn write_frames(&mut self, _: Resume, frames: &[Frame<ToyRef>]) {
        self.changed.clear();
        for (i, frame) in frames.iter().enumerate() {
            if frame.function.is_some() {
                let (locals, stack) = (Vec::new(), Vec::new());
                let (code, pc, function) = (frame.code, frame.pc, frame.function);
                self.frames.push(ToyFrame { code, pc, function, locals, stack, generator: None });
            }
            if let Some(generator) = frame.generator {
                self.push_generator_with(generator, frame.locals.len());
            }
            let memory = &mut self.frames[i];
            memory.pc = frame.pc;
            write(&mut memory.locals, &frame.locals);
            write(&mut memory.stack, &frame.stack);
        }
    }
    fn withdraw_frames(&mut self, frames: &[Frame<ToyRef>]) -> Vec<(usize, usize, Nullable)> {
        let changed = std::mem::take(&mut self.changed);
        let changed = changed.into_iter().map(|(f, l)| (f, l, self.frames[f].locals[l])).collect();
        let in_memory = frames.iter().take_while(|f| f.function.is_none() && f.generator.is_none()).count();
        while self.frames.len() > in_memory {
            self.unlink();
        }
        for (memory, frame) in self.frames.iter_mut().zip(frames) {
            // What was written above what is there was only shown.
            let there = frame.stack.iter().rposition(|c| matches!(c, Content::Unchanged)).map_or(0, |i| i + 1);
            memory.stack.truncate(there);
        }
        changed
    }

    fn const_obj(&mut self, object: ObjRef) -> ToyRef {
        self.constant(object).unwrap_or_else(|| {
            self.faults.push(format!("{object} was not defined"));
            self.singleton(Kind::None)
        })
    }
    fn type_of(&mut self, value: ToyRef) -> ToyRef {
        self.class_of(value)
    }
    fn type_version(&mut self, value: ToyRef) -> u32 {
        let class = self.class_of(value);
        if let Kind::Type { version, .. } = *self.look(class) { version } else { 0 }
    }
    fn class_version(&mut self, class: ToyRef) -> u32 {
        if let Kind::Type { version, .. } = *self.look(class) { version } else { 0 }
    }
    fn keys_version(&mut self, dict: ToyRef) -> u32 {
        if let Kind::Dict { keys, .. } = *self.look(dict) { keys } else { 0 }
    }
    fn shared_keys_version(&mut self, value: ToyRef) -> u32 {
        // Shared keys never change here, so the version of the class will do.
        self.type_version(value)
    }
    fn instance_keys_version(&mut self, class: ToyRef) -> u32 {
        self.class_version(class)
    }
    fn global_version(&mut self, dict: ToyRef) -> u32 {
        if let Kind::Dict { version, .. } = *self.look(dict) { version } else { 0 }
    }
    fn function_version(&mut self, function: ToyRef) -> u32 {
        if let Kind::Function { version, .. } = *self.look(function) { version } else { 0 }
    }
    fn is_compact(&mut self, value: ToyRef) -> bool {
        let all = self.all_compact;
        matches!(*self.look(value), Kind::Int(n) if all || n.unsigned_abs() < 1 << 30)
    }
    fn is_wide(&mut self, value: ToyRef) -> bool {
        matches!(*self.look(value), Kind::Int(n) if n.abs() < 1 << 60)
    }
    fn has_inline_values(&mut self, value: ToyRef) -> bool {
        matches!(self.look(value), Kind::Instance { inline: Some(_), .. })
    }
    fn has_dict(&mut self, value: ToyRef) -> bool {
        matches!(self.look(value), Kind::Instance { inline: None, .. })
    }
    fn is_valid(&mut self) -> bool {
        !self.invalid
    }
    fn is_periodic_due(&mut self) -> bool {
        let due = self.periods == 0;
        self.periods = self.periods.saturating_sub(1);
        due
    }
    fn has_stack_space(&mut self) -> bool {
        self.frames.len() < self.max_frames
    }

    fn unbox_i64(&mut self, value: ToyRef) -> i64 {
        let Kind::Int(n) = *self.look(value) else {
            self.fault("is no int", value);
            return 0;
        };
        n
    }
    fn unbox_wide(&mut self, value: ToyRef) -> i64 {
        self.unbox_i64(value)
    }
    fn box_i64(&mut self, value: i64) -> ToyRef {
        self.alloc(Kind::Int(value))
    }
    fn unbox_f64(&mut self, value: ToyRef) -> f64 {
        let Kind::Float(x) = *self.look(value) else {
            self.fault("is no float", value);
            return 0.0;
        };
        x
    }
    fn box_f64(&mut self, value: f64) -> ToyRef {
        self.alloc(Kind::Float(value))
    }
    fn unbox_bool(&mut self, value: ToyRef) -> bool {
        let Kind::Bool(b) = *self.look(value) else {
            self.fault("is no bool", value);
            return false;
        };
        b
    }
    fn box_bool(&mut self, value: bool) -> ToyRef {
        self.singleton(Kind::Bool(value))
    }
    fn build(&mut self, kind: VirtualKind, fields: Vec<Register<ToyRef>>) -> ToyRef {
        let object = |i: usize| if let Register::Obj(o) = fields[i] { o } else { None };
        let number = |i: usize| if let Register::I64(n) = fields[i] { n } else { 0 };
        let all = || (0..fields.len()).map(object).collect::<Vec<_>>();
        let kind = match kind {
            VirtualKind::Int => Kind::Int(number(0)),
            VirtualKind::Float => Kind::Float(if let Register::F64(x) = fields[0] { x } else { 0.0 }),
            VirtualKind::Tuple if fields.is_empty() => return self.singleton(Kind::Tuple(Vec::new())),
            VirtualKind::Tuple => Kind::Tuple(all()),
            VirtualKind::List => Kind::List(all()),
            VirtualKind::Slice => Kind::Slice([object(0), object(1), object(2)]),
            VirtualKind::Range => Kind::Range([number(0), number(1), number(2)]),
            VirtualKind::BoundMethod => Kind::Method([object(0), object(1)]),
            VirtualKind::Cell => Kind::Cell(object(0)),
            VirtualKind::Instance => {
                let mut values = all().split_off(1);
                values.resize(ATTRIBUTES, None);
                let class = object(0).unwrap_or_else(|| self.type_named("object"));
                Kind::Instance { class, inline: Some(values), slots: Vec::new(), finalizer: None }
            }
            VirtualKind::ListIter => Kind::ListIter(object(0), number(1)),
            VirtualKind::TupleIter => Kind::TupleIter(object(0), number(1)),
            VirtualKind::RangeIter => Kind::RangeIter { next: number(0), step: number(1), left: number(2) },
        };
        self.alloc(kind)
    }

    fn load_inline(&mut self, value: ToyRef, index: usize) -> Nullable {
        *self.place(value, index, inline)
    }
    fn store_inline(&mut self, value: ToyRef, index: usize, new: Nullable) {
        *self.place(value, index, inline) = new;
    }
    fn load_slot(&mut self, value: ToyRef, offset: usize) -> Nullable {
        *self.place(value, offset / 8, slots)
    }
    fn store_slot(&mut self, value: ToyRef, offset: usize, new: Nullable) {
        *self.place(value, offset / 8, slots) = new;
    }
    fn list_len(&mut self, list: ToyRef) -> i64 {
        items(self.look(list)).map_or(0, |items| items.len() as i64)
    }
    fn list_items(&mut self, list: ToyRef) -> u64 {
        list.0.into()
    }
    fn load_item(&mut self, address: u64, index: i64) -> Nullable {
        *self.place(ToyRef(address as u32), index as usize, items)
    }
    fn store_item(&mut self, address: u64, index: i64, new: Nullable) {
        *self.place(ToyRef(address as u32), index as usize, items) = new;
    }
    fn tuple_len(&mut self, tuple: ToyRef) -> i64 {
        self.list_len(tuple)
    }
    fn load_tuple_item(&mut self, tuple: ToyRef, index: i64) -> Nullable {
        *self.place(tuple, index as usize, items)
    }
    fn typecode(&mut self, array: ToyRef) -> u32 {
        if let Kind::Array { typecode, .. } = *self.look(array) { typecode.into() } else { 0 }
    }
    fn array_len(&mut self, array: ToyRef) -> i64 {
        if let Kind::Array { elements, .. } = self.look(array) { elements.len() as i64 } else { 0 }
    }
    fn array_elements(&mut self, array: ToyRef, _: usize) -> u64 {
        array.0.into()
    }
    fn inner_elements(&mut self, object: ToyRef, _: usize) -> u64 {
        object.0.into()
    }
    fn load_element_i64(&mut self, address: u64, index: i64, kind: IntKind) -> i64 {
        kind.number(*self.element(address, index, ElementKind::Int(kind)))
    }
    fn load_element_f64(&mut self, address: u64, index: i64, kind: FloatKind) -> f64 {
        kind.number(*self.element(address, index, ElementKind::Float(kind)))
    }
    fn store_element_i64(&mut self, address: u64, index: i64, kind: IntKind, content: i64) {
        if kind.number(kind.bits(content)) != content {
            self.fault("a number beyond the range of the elements was stored", ToyRef(address as u32));
        }
        *self.element(address, index, ElementKind::Int(kind)) = kind.bits(content);
    }
    fn store_element_f64(&mut self, address: u64, index: i64, kind: FloatKind, content: f64) {
        *self.element(address, index, ElementKind::Float(kind)) = kind.bits(content);
    }
    fn load_cell(&mut self, cell: ToyRef) -> Nullable {
        *self.place(cell, 0, content)
    }
    fn store_cell(&mut self, cell: ToyRef, new: Nullable) {
        *self.place(cell, 0, content) = new;
    }
    fn load_dict_value(&mut self, dict: ToyRef, index: usize) -> Nullable {
        *self.place(dict, index, entries)
    }
    fn store_dict_value(&mut self, dict: ToyRef, index: usize, new: Nullable) {
        *self.place(dict, index, entries) = new;
        if let Kind::Dict { version, .. } = self.look(dict) {
            *version += 1;
        }
    }
    fn module_dict(&mut self, module: ToyRef) -> ToyRef {
        if let Kind::Module(Some(dict)) = *self.look(module) {
            return dict;
        }
        self.fault("is no module", module);
        module
    }

    fn incref(&mut self, value: ToyRef) {
        self.adjust(value, 1);
    }
    fn decref(&mut self, value: ToyRef) {
        self.release(value);
    }
    fn decref_no_dealloc(&mut self, value: ToyRef) {
        let simple = matches!(
            self.look(value),
            Kind::Int(_) | Kind::Float(_) | Kind::Str(_) | Kind::Range(_) | Kind::RangeIter { .. }
        );
        if self.count(value) == 1 && !simple {
            self.fault("its last reference was dropped by decref_no_dealloc", value);
        }
        self.release(value);
    }
    fn refcount(&mut self, value: ToyRef) -> usize {
        self.count(value)
    }
    fn is_immortal(&mut self, value: ToyRef) -> bool {
        self.look(value).is_immortal()
    }

    fn list_iter_next(&mut self, iter: ToyRef) -> Nullable {
        if self.is_iter_done(iter) {
            return None;
        }
        let (Kind::ListIter(sequence, index) | Kind::TupleIter(sequence, index)) = self.look(iter) else { return None };
        let (sequence, at) = (*sequence, *index);
        *index += 1;
        let item = items(self.look(sequence?))?[at as usize]?;
        self.adjust(item, 1);
        Some(item)
    }
    fn tuple_iter_next(&mut self, iter: ToyRef) -> Nullable {
        self.list_iter_next(iter)
    }
    fn range_iter_next(&mut self, iter: ToyRef) -> Option<i64> {
        let Kind::RangeIter { next, step, left } = self.look(iter) else { return None };
        if *left == 0 {
            return None;
        }
        let number = *next;
        *next += *step;
        *left -= 1;
        Some(number)
    }
    fn is_iter_done(&mut self, iter: ToyRef) -> bool {
        match *self.look(iter) {
            Kind::ListIter(Some(sequence), index) | Kind::TupleIter(Some(sequence), index) => {
                self.list_len(sequence) <= index
            }
            Kind::RangeIter { left, .. } => left == 0,
            Kind::ListIter(None, _) | Kind::TupleIter(None, _) => true,
            _ => {
                self.fault("is no iterator", iter);
                true
            }
        }
    }

    fn is_suspended_at(&mut self, generator: ToyRef, code: CodeRef, pc: u32) -> bool {
        let g = self.generator(generator);
        g.state < 0 && (g.code, g.pc) == (code, pc)
    }
    fn is_untracked(&mut self) -> bool {
        !self.tracked
    }
    fn load_generator(&mut self, generator: ToyRef, index: usize) -> Nullable {
        self.generator(generator).slots.get(index).copied().flatten()
    }
    fn store_generator(&mut self, generator: ToyRef, index: usize, new: Nullable) {
        let slots = &mut self.generator(generator).slots;
        slots.resize(slots.len().max(index + 1), None);
        slots[index] = new;
    }
    fn generator_globals(&mut self, _: ToyRef) -> ToyRef {
        self.globals(0)
    }
    fn generator_builtins(&mut self, _: ToyRef) -> ToyRef {
        self.builtins(0)
    }
    fn resume_generator(&mut self, generator: ToyRef) {
        self.generator(generator).state = 0;
    }
    fn suspend_generator(&mut self, generator: ToyRef, code: CodeRef, pc: u32, stack: usize, delegates: bool) {
        self.suspend(generator, code, pc, stack, delegates);
    }
    fn push_generator(&mut self, generator: ToyRef, caller_pc: u32) {
        if let Some(caller) = self.frames.last_mut() {
            caller.pc = caller_pc;
        }
        let locals = self.locals_of(generator);
        self.push_generator_with(generator, locals);
    }
    fn pop_generator(&mut self) {
        self.unlink();
    }
    fn is_caller_at(&mut self, code: CodeRef, pc: u32) -> bool {
        self.below.last().is_some_and(|f| (f.code, f.pc) == (code, pc))
    }
    fn unlink_first(&mut self) -> ToyRef {
        let generator = self.frames.first().and_then(|f| f.generator);
        self.unlink();
        self.frames.extend(self.below.pop());
        generator.unwrap_or_else(|| {
            self.faults.push("the first frame is no generator's".into());
            self.singleton(Kind::None)
        })
    }
    fn finish_generator(&mut self, generator: ToyRef) {
        self.finish(generator);
    }
    fn new_generator(&mut self, code: CodeRef, pc: u32, function: ToyRef, locals: Vec<Nullable>) -> ToyRef {
        self.alloc(Kind::Generator(Generator { code, pc, function: Some(function), state: -3, slots: locals }))
    }

    fn execute(&mut self, pc: u32, _: Moves) {
        self.execute_step(pc);
    }
    fn has_landed(&mut self, code: CodeRef, pc: u32, moves: Moves, stack: usize) -> bool {
        self.is_at(code, pc, moves, stack)
    }

    fn call_helper(&mut self, helper: Helper, args: &[Register<ToyRef>]) -> Option<Register<ToyRef>> {
        Some(self.helper_or_error(helper, args))
    }
}
