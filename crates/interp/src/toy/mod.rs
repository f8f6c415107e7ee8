//! A runtime for tests: a heap of small objects that counts references.
//!
//! What a real heap would make a crash, this one writes into a list of faults: uses of freed objects, double frees,
//! items out of bounds. After a run, [`Toy::check`] compares every count with the references there are, so leaks show.

mod calls;
mod execute;
mod facts;
mod generators;
mod heap;
pub mod image;
mod runtime;
mod show;

pub use execute::Step;
pub use generators::code_locals;
use hotspur_ir::{CodeRef, ObjRef};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A reference to an object of the toy heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ToyRef(u32);

type Nullable = Option<ToyRef>;

/// What a native function or a finalizer does, besides writing into the log which frames it sees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Action {
    /// Returns a constant.
    Return(ObjRef),
    /// Raises an exception.
    Raise,
    /// Sets a local (frame, index) through `f_locals`, and returns None.
    SetLocal(usize, usize, ObjRef),
    /// Keeps what a local (frame, index) holds, and returns None.
    KeepLocal(usize, usize),
    /// Breaks what the executor depends on, and returns None.
    Invalidate,
}

/// An object.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "objects are what they are in Python")]
pub enum Kind {
    Type {
        name: String,
        version: u32,
    },
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Tuple(Vec<Nullable>),
    List(Vec<Nullable>),
    Slice([Nullable; 3]),
    Range([i64; 3]),
    /// Bits of the elements, as they are in memory.
    Array {
        typecode: u8,
        elements: Vec<u64>,
    },
    Method([Nullable; 2]),
    Cell(Nullable),
    Instance {
        class: ToyRef,
        inline: Option<Vec<Nullable>>,
        slots: Vec<Nullable>,
        finalizer: Option<Action>,
    },
    Dict {
        version: u32,
        keys: u32,
        values: Vec<Nullable>,
    },
    Module(Nullable),
    Function {
        version: u32,
        action: Action,
    },
    ListIter(Nullable, i64),
    TupleIter(Nullable, i64),
    RangeIter {
        next: i64,
        step: i64,
        left: i64,
    },
    Generator(Generator),
}

/// A generator.
#[derive(Clone, PartialEq, Debug)]
pub struct Generator {
    /// Its code.
    pub code: CodeRef,
    /// Where it is suspended.
    pub pc: u32,
    /// The function that it runs.
    pub function: Nullable,
    /// As in CPython: negative while it is suspended, zero while it runs.
    pub state: i8,
    /// Its locals, then its stack. Nothing while its frame is one of those in memory.
    pub slots: Vec<Nullable>,
}

/// An object on the heap.
#[derive(Clone, Debug)]
struct Cell {
    kind: Kind,
    count: usize,
    freed: bool,
    /// Its type, once an image of the heap was made.
    class: Nullable,
}

/// A frame in memory.
#[derive(Clone, PartialEq, Debug)]
pub struct ToyFrame {
    /// Its code.
    pub code: CodeRef,
    /// The index of its current instruction.
    pub pc: u32,
    /// The function that it runs; the frame where execution began has none.
    pub function: Nullable,
    /// Its locals.
    pub locals: Vec<Nullable>,
    /// Its value stack.
    pub stack: Vec<Nullable>,
    /// The generator that it is the frame of.
    pub generator: Nullable,
}

/// The runtime.
#[derive(Debug, Default)]
pub struct Toy {
    objects: Vec<Cell>,
    types: BTreeMap<String, ToyRef>,
    constants: BTreeMap<ObjRef, ToyRef>,
    names: HashMap<ToyRef, ObjRef>,
    frames: Vec<ToyFrame>,
    below: Vec<ToyFrame>,
    kept: Vec<ToyRef>,
    changed: BTreeSet<(usize, usize)>,
    executed: usize,
    /// What there is where there is no element.
    spare: u64,
    frames_before: usize,
    /// What the instructions do that tier 1 executes: one step each, again from the first after the last.
    pub script: Vec<Step>,
    /// What happened that a program could notice: objects freed, native code called.
    pub log: Vec<String>,
    /// Violations of memory safety.
    pub faults: Vec<String>,
    /// The globals and the builtins of all frames.
    pub namespaces: [Nullable; 2],
    /// Whether an exception is set.
    pub raised: bool,
    /// Whether the executor is invalid.
    pub invalid: bool,
    /// Whether new coroutines are to be told where they are made.
    pub tracked: bool,
    /// Whether every int counts as compact: what superblocks mean if boxes are never looked into.
    pub all_compact: bool,
    /// How often `check_periodic` passes before something is due.
    pub periods: u64,
    /// How many frames there may be.
    pub max_frames: usize,
    /// Whether somebody has objects of the frames.
    pub frames_kept: bool,
}

impl Toy {
    /// An empty heap, with nothing due and room for ten frames.
    pub fn new() -> Toy {
        Toy { periods: u64::MAX, max_frames: 10, ..Toy::default() }
    }

    /// Makes a constant, which holds a reference of its own.
    pub fn define(&mut self, name: ObjRef, kind: Kind) -> ToyRef {
        let object = match kind {
            Kind::Type { name, version } => {
                let object = self.type_named(&name);
                self.objects[object.0 as usize].kind = Kind::Type { name, version };
                object
            }
            Kind::None | Kind::Bool(_) => self.singleton(kind),
            other => self.alloc(other),
        };
        self.constants.insert(name, object);
        self.names.insert(object, name);
        object
    }

    /// The constant.
    pub fn constant(&self, name: ObjRef) -> Option<ToyRef> {
        self.constants.get(&name).copied()
    }

    /// Drops the constant's own reference: from now on it is a name for dumps only.
    pub fn forget(&mut self, name: ObjRef) {
        if let Some(object) = self.constants.remove(&name) {
            self.release(object);
        }
    }

    /// A constant, with a new reference: for fields of other objects and slots of frames.
    pub fn reference(&mut self, name: ObjRef) -> Option<ToyRef> {
        let object = self.constant(name)?;
        self.adjust(object, 1);
        Some(object)
    }

    /// Puts the frame where execution begins.
    pub fn enter(&mut self, code: CodeRef, pc: u32, locals: Vec<Nullable>, stack: Vec<Nullable>) {
        self.frames = vec![ToyFrame { code, pc, function: None, locals, stack, generator: None }];
    }

    /// Makes the frame where execution begins the generator's, which runs, and puts another one below it.
    pub fn enter_generator(&mut self, generator: ToyRef, below: ToyFrame) {
        self.generator(generator).state = 0;
        if let Some(first) = self.frames.first_mut() {
            first.generator = Some(generator);
        }
        self.below.push(below);
    }

    /// The frames in memory.
    pub fn frames(&self) -> &[ToyFrame] {
        &self.frames
    }
}
