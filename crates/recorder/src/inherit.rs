//! Traces that grow from a side exit, with what is known there.
//!
//! An exit's snapshot says what the frames would be; a trace that begins there need not wait until they are written. It takes the values that the snapshot
//! names as its parameters ([`Superblock::live`](hotspur_ir::Superblock::live)) and goes on as if it were the rest of its parent: callees that are
//! inlined stay virtual (so it returns into their callers as any trace does), numbers stay unboxed, types that the parent has guarded are known.
//! Objects that the parent has not built are built at the beginning: if they are not needed, the optimizer will see.
//!
//! While it is recorded, tier 1 really has all the frames: the parent's exit has made them. They are compared as always.
//!
//! # References
//! What a slot of the snapshot `own`s is passed along with the parameter: `adopt` makes it the superblock's. What a slot only names is alive
//! where the superblock begins, for the slot would have taken a reference to it; so one is taken. (A value that several slots own comes with a
//! reference for each; the recorder's picture has one for all, so the others are dropped.)

use crate::facts;
use crate::lower::calls;
use crate::state::{Content, Frame, Frames, Slot as Cell, unseen};
use crate::trace::Keep;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{CodeRef, Slot, Type, Value, Virtual, VirtualId, VirtualKind};
use hotspur_tier1::code::known_state_of;
use hotspur_tier1::dispatch::State;
use std::collections::HashMap;

/// What a trace inherits. Slots name values by their place in `values`.
#[derive(Debug)]
pub struct Inherited {
    /// The frames of the exit's snapshot, the first of which is in memory and the others are not.
    pub frames: Vec<InheritedFrame>,
    /// The values, in the order of the parameters.
    pub values: Vec<InheritedValue>,
    /// The virtual objects that slots name.
    pub virtuals: HashMap<VirtualId, Virtual>,
}

/// A frame of the snapshot.
#[derive(Debug)]
pub struct InheritedFrame {
    /// Its code.
    pub code: *mut PyCodeObject,
    /// Its position, as snapshots have it.
    pub pc: u32,
    /// Its function, unless it is in memory or a generator's.
    pub function: Option<Slot>,
    /// The generator whose frame it is, unless it is in memory.
    pub generator: Option<Slot>,
    /// Its locals.
    pub locals: Vec<Slot>,
    /// Its stack.
    pub stack: Vec<Slot>,
}

/// What is known of a value at the exit.
#[derive(Clone, Copy, Debug)]
pub struct InheritedValue {
    /// Its type.
    pub ty: Type,
    /// Its class, if that is a static type; else null.
    pub class: *mut PyTypeObject,
    /// The object, if it is always the same; else null.
    pub constant: *mut PyObject,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The picture at the beginning of such a trace. None if something cannot be passed along.
///
/// # Safety
/// As for [`crate::Recorder::start`]; the objects are live.
pub(crate) unsafe fn begin(inherited: &Inherited, state: State) -> Option<Frames> {
    // The first code is that of the superblock.
    let mut f = Frames::new(CodeRef::from_u32(0), inherited.frames.first()?.pc, unseen());
    let mut frames: Vec<Frame> = Vec::new();
    let mut real = state.frame;
    for frame in inherited.frames.iter().rev() {
        let cs = if real.is_null() { core::ptr::null_mut() } else { known_state_of(frame.code) };
        if cs.is_null() || frame_code(real) != frame.code {
            return None;
        }
        let is_generator = (*real).owner == FRAME_OWNED_BY_GENERATOR;
        let is_pushed_generator = is_generator && frame.generator.is_none();
        frames.push(Frame { real, cs, pc: frame.pc, is_pushed_generator, ..unseen() });
        real = (*real).previous;
    }
    frames.reverse();
    for (frame, from) in frames.iter_mut().zip(&inherited.frames) {
        frame.code = f.code(from.code);
    }
    f.frames = frames;
    let mut heir =
        Heir { inherited, f, owned: HashMap::new(), params: Vec::new(), values: HashMap::new(), built: HashMap::new() };
    heir.take_over()?;
    Some(heir.f)
}

struct Heir<'a> {
    inherited: &'a Inherited,
    f: Frames,
    /// How many slots own a value: so many references are passed along with it.
    owned: HashMap<Value, usize>,
    params: Vec<Value>,
    /// What the parameters are as objects (or truth values).
    values: HashMap<Value, Value>,
    built: HashMap<VirtualId, Value>,
}

impl Heir<'_> {
    unsafe fn take_over(&mut self) -> Option<()> {
        self.params = self.inherited.values.iter().map(|v| self.f.builder.param(v.ty)).collect();
        let inherited = self.inherited;
        let all = inherited.frames.iter().flat_map(|f| f.function.iter().chain(&f.locals).chain(&f.stack));
        let fields = inherited.virtuals.values().flat_map(|v| &v.fields);
        for slot in all.chain(fields) {
            if let Slot::Owned(v) = *slot {
                *self.owned.entry(v).or_default() += 1;
            }
        }
        // What is no virtual object comes first: then it is known how many slots hold what these take.
        for (depth, frame) in inherited.frames.iter().enumerate() {
            let function = match frame.function {
                None => None,
                Some(slot) => match self.content(slot)?.content {
                    Content::Value(v) => Some(v),
                    Content::Memory | Content::Null => return None,
                },
            };
            let locals = frame.locals.iter().map(|&s| self.content(s)).collect::<Option<Vec<_>>>()?;
            let stack = frame.stack.iter().map(|&s| self.content(s)).collect::<Option<Vec<_>>>()?;
            if let Some(v) = function {
                self.f.info(v).aliases += 1;
            }
            for slot in locals.iter().chain(&stack) {
                if let Content::Value(v) = slot.content {
                    self.f.info(v).aliases += 1;
                }
            }
            let known = function.map(|v| self.f.info(v).constant).filter(|c| !c.is_null());
            let to = &mut self.f.frames[depth];
            (to.function, to.locals, to.stack) = (function, locals, stack);
            if let Some(slot) = frame.generator {
                self.f.frames[depth].generator = Some(self.generator(slot, depth)?);
            }
            if let Some(function) = known {
                calls::know_namespaces(&mut self.f, depth, function.cast());
            }
        }
        for (depth, frame) in inherited.frames.iter().enumerate() {
            for (is_stack, slots) in [(false, &frame.locals), (true, &frame.stack)] {
                for (i, &slot) in slots.iter().enumerate() {
                    let Slot::Virtual(id) = slot else { continue };
                    let v = self.build(id)?;
                    self.f.info(v).aliases += 1;
                    let to = &mut self.f.frames[depth];
                    let to = if is_stack { &mut to.stack[i] } else { &mut to.locals[i] };
                    *to = Cell { content: Content::Value(v), home: false };
                }
            }
        }
        Some(())
    }

    /// What a slot holds; nothing yet, if that is a virtual object.
    unsafe fn content(&mut self, slot: Slot) -> Option<Cell> {
        let content = match slot {
            Slot::Unchanged => return Some(Cell::MEMORY),
            Slot::Null | Slot::Virtual(_) => Content::Null,
            Slot::Value(v) | Slot::Owned(v) => Content::Value(self.object(v)?),
        };
        Some(Cell { content, home: false })
    }

    /// The generator that the frame at this depth belongs to. The one below has it on its stack.
    unsafe fn generator(&mut self, slot: Slot, depth: usize) -> Option<Value> {
        let Slot::Value(v) = slot else { return None };
        let (known, param) = (self.inherited.values[v.as_u32() as usize], self.params[v.as_u32() as usize]);
        if known.ty != Type::Obj {
            return None;
        }
        if let Some(&object) = self.values.get(&v) {
            return Some(object);
        }
        let below = self.f.frames[depth - 1].stack.last_mut()?;
        if below.content != Content::Memory {
            return None;
        }
        below.content = Content::Value(param);
        let info = self.f.info(param);
        (info.aliases, info.class, info.nullable) = (1, known.class, false);
        self.values.insert(v, param);
        Some(param)
    }

    /// A value as an object, or as a truth value.
    unsafe fn object(&mut self, v: Value) -> Option<Value> {
        if let Some(&object) = self.values.get(&v) {
            return Some(object);
        }
        let (known, param) = (self.inherited.values[v.as_u32() as usize], self.params[v.as_u32() as usize]);
        let object = match known.ty {
            Type::Bool => param,
            Type::I64 | Type::F64 => {
                let is_int = known.ty == Type::I64;
                let b = &mut self.f.builder;
                let object = if is_int { b.box_i64(param) } else { b.box_f64(param) };
                let class = if is_int { &raw mut ffi::PyLong_Type } else { &raw mut ffi::PyFloat_Type };
                self.f.owned(object);
                self.f.of_class(object, class);
                self.f.info(object).unboxed = Some(param);
                object
            }
            Type::Ptr => return None,
            Type::Obj if !known.constant.is_null() && is_immortal(known.constant) => {
                self.f.constant(known.constant, Keep::Immortal)
            }
            Type::Obj => {
                let owned = self.owned.get(&v).copied().unwrap_or(0);
                let object = if owned > 0 {
                    if owned > 1 && known.nullable {
                        return None;
                    }
                    for _ in 1..owned {
                        // Slots take references of their own as soon as they are written.
                        let another = self.f.builder.adopt(param);
                        self.f.builder.decref_no_dealloc(another);
                    }
                    let object = self.f.builder.adopt(param);
                    self.f.owned(object)
                } else if known.nullable {
                    return None;
                } else {
                    self.f.borrowed(param)
                };
                let info = self.f.info(object);
                (info.class, info.constant, info.nullable) = (known.class, known.constant, known.nullable);
                object
            }
        };
        self.values.insert(v, object);
        Some(object)
    }

    /// A reference to what a field holds, for an object that is built. None for an absent attribute.
    unsafe fn field(&mut self, field: Slot) -> Option<Option<Value>> {
        Some(match field {
            Slot::Null => None,
            Slot::Unchanged => return None,
            Slot::Value(v) | Slot::Owned(v) => {
                let object = self.object(v)?;
                let object = self.f.boxed(object);
                Some(self.f.take(object))
            }
            Slot::Virtual(id) => {
                let object = self.build(id)?;
                Some(self.f.take(object))
            }
        })
    }

    /// Builds a virtual object.
    unsafe fn build(&mut self, id: VirtualId) -> Option<Value> {
        if let Some(&object) = self.built.get(&id) {
            return Some(object);
        }
        let Virtual { kind, fields } = self.inherited.virtuals.get(&id)?;
        let class: *mut PyTypeObject = match kind {
            VirtualKind::Int | VirtualKind::Float => {
                let Slot::Value(v) = *fields.first()? else { return None };
                let object = self.object(v)?;
                self.built.insert(id, object);
                return Some(object);
            }
            VirtualKind::Tuple => &raw mut ffi::PyTuple_Type,
            VirtualKind::List => &raw mut ffi::PyList_Type,
            VirtualKind::Slice => &raw mut ffi::PySlice_Type,
            VirtualKind::BoundMethod => &raw mut PyMethod_Type,
            VirtualKind::Cell => &raw mut ffi::PyCell_Type,
            VirtualKind::Instance => return self.build_instance(id, fields),
            VirtualKind::Range | VirtualKind::RangeIter => return self.build_range(id, *kind, fields),
            VirtualKind::ListIter | VirtualKind::TupleIter => return None,
        };
        let contents = fields.iter().map(|&s| self.field(s)).collect::<Option<Vec<_>>>()?;
        let contents: Vec<_> = contents.into_iter().map(|v| v.unwrap_or_else(|| self.f.builder.const_null())).collect();
        let b = &mut self.f.builder;
        let object = match (kind, &contents[..]) {
            (VirtualKind::Tuple, items) => b.new_tuple(items),
            (VirtualKind::List, items) => b.new_list(items),
            (VirtualKind::Slice, &[start, stop, step]) => b.new_slice(start, stop, step),
            (VirtualKind::BoundMethod, &[function, receiver]) => b.new_bound_method(function, receiver),
            (VirtualKind::Cell, &[content]) => b.new_cell(content),
            _ => return None,
        };
        self.f.owned(object);
        self.f.of_class(object, class);
        self.built.insert(id, object);
        Some(object)
    }

    /// A range or range iterator, of three numbers.
    fn build_range(&mut self, id: VirtualId, kind: VirtualKind, fields: &[Slot]) -> Option<Value> {
        let &[Slot::Value(a), Slot::Value(b), Slot::Value(c)] = fields else { return None };
        let [a, b, c] = [a, b, c].map(|v| self.params[v.as_u32() as usize]);
        let object = if kind == VirtualKind::Range {
            let object = self.f.builder.new_range(a, b, c);
            self.f.info(object).range = Some([a, b, c]);
            self.f.of_class(object, &raw mut ffi::PyRange_Type)
        } else {
            let object = self.f.builder.new_range_iter(a, b, c);
            self.f.of_class(object, &raw mut PyRangeIter_Type)
        };
        self.f.owned(object);
        self.built.insert(id, object);
        Some(object)
    }

    unsafe fn build_instance(&mut self, id: VirtualId, fields: &[Slot]) -> Option<Value> {
        let (&Slot::Value(class), attributes) = fields.split_first()? else { return None };
        let class = self.inherited.values[class.as_u32() as usize].constant;
        if class.is_null() || !facts::has_version(class.cast()) {
            return None;
        }
        let entry = (class, (*class.cast::<PyTypeObject>()).tp_version_tag);
        if !self.f.types.contains(&entry) {
            self.f.types.push(entry);
        }
        let attributes = attributes.iter().map(|&s| self.field(s)).collect::<Option<Vec<_>>>()?;
        let class = self.f.object(class, Keep::Guarded);
        let object = self.f.builder.new_instance(class);
        self.f.owned(object);
        for (i, content) in attributes.into_iter().enumerate() {
            if let Some(content) = content {
                self.f.builder.store_inline(object, i as u32, content);
            }
        }
        self.built.insert(id, object);
        Some(object)
    }
}
