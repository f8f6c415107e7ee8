//! What a recording yields.

use crate::facts;
use hotspur_cpython_sys::ffi::{self, PyObject, PyTypeObject};
use hotspur_cpython_sys::{PyCodeObject, ty};
use hotspur_ir::{CodeRef, ExecutorRef, ObjRef, Superblock};
use hotspur_tier1::code::CodeState;

/// A position in code that tier 1 executes: where a superblock begins, or goes on in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The code. Borrowed: it dies with its code object.
    pub code: *mut CodeState,
    /// The instruction's index, in code units.
    pub position: usize,
}

/// Why an object may be a constant of a superblock: what keeps it alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Keep {
    /// Nothing has to: it is immortal, or a static type.
    Immortal,
    /// It is one of the constants or names of a code object that the trace depends on. A frame that runs the code keeps it alive
    /// as well, so it can be borrowed as long as that frame is there.
    Code(CodeRef),
    /// Whoever keeps the trace must hold a reference: a C function, a method descriptor. (The recorder takes none.)
    Hold,
    /// A guard in front of each use proves that it is alive there: a method that a type of the guarded version has. The superblock takes a reference
    /// where it uses it, and nobody may remove that for the reason that the object is a constant. Without the guard, nothing may be read from it.
    Guarded,
}

/// A constant of a superblock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Object {
    /// The object.
    pub object: *mut PyObject,
    /// What keeps it alive.
    pub keep: Keep,
    /// What it is, found out when it was seen: what is only guarded to be alive may be gone when the recording ends.
    pub what: What,
}

/// What never changes of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum What {
    /// Exactly an int, of this value.
    Int(i64),
    /// Exactly a float, with these bits.
    Float(u64),
    /// An instance of exactly this static type, which cannot be changed.
    Instance(*mut PyTypeObject),
    /// Its type is another one, or may change.
    Other,
}

impl Object {
    /// The object, which is alive now.
    ///
    /// # Safety
    /// It is, and the GIL is held.
    pub unsafe fn new(object: *mut PyObject, keep: Keep) -> Object {
        let class = ty(object);
        let what = if facts::is_float(object) {
            What::Float(ffi::PyFloat_AS_DOUBLE(object).to_bits())
        } else if facts::is_int(object)
            && let Some(value) = facts::int_value(object)
        {
            What::Int(value)
        } else if facts::is_static(class) {
            What::Instance(class)
        } else {
            What::Other
        };
        Object { object, keep, what }
    }
}

/// What has to stay as it is for a superblock to be right, besides what its guards test. Pointers are borrowed: each is
/// that of an object which has to be watched, its end included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dependencies {
    /// Dictionaries with the version of their keys.
    pub dicts: Vec<(*mut PyObject, u32)>,
    /// Dictionaries with a key (an interned string, which is a name of one of the codes) whose value was taken for granted.
    pub values: Vec<(*mut PyObject, *mut PyObject)>,
    /// Types with their version.
    pub types: Vec<(*mut PyObject, u32)>,
    /// Functions.
    pub functions: Vec<*mut PyObject>,
    /// Code objects whose instructions, constants and names are part of the superblock.
    pub codes: Vec<*mut PyCodeObject>,
}

/// A finished recording: a superblock, and what its references to the world stand for. It holds no references; whoever records
/// does what [`Keep`] and [`Dependencies`] say as soon as something is noted ([`crate::Recorder::noted`]), before any other code runs: else
/// it might be gone, or another object at its address, when the recording ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The superblock. It passes [`hotspur_ir::verify`]. Its snapshots and its loop count instructions of tier 1.
    pub superblock: Superblock,
    /// Its constants, by [`ObjRef`].
    pub objects: Vec<Object>,
    /// Those of them that are to be held, see [`Keep::Hold`].
    pub held: Vec<*mut PyObject>,
    /// Its code objects, by [`CodeRef`]. All of them are among the dependencies.
    pub codes: Vec<*mut PyCodeObject>,
    /// The executors that it links to, by [`ExecutorRef`]: where they begin.
    pub executors: Vec<Place>,
    /// What else has to stay as it is.
    pub dependencies: Dependencies,
    /// Where it begins.
    pub entry: Place,
    /// It begins with the values of a side exit, and not with frames in memory: see [`crate::Inherited`].
    pub inherits: bool,
    /// How many instructions are done, in the first round if it is a loop, after each that counts as a tick ([`hotspur_tier1::ticks`]).
    pub ticks: Vec<u32>,
}

/// What a recording, or a trace, relies on: see [`Dependencies`] and [`Keep::Hold`]. Each list is in the order in which it was noted.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// As in [`Dependencies::values`].
    pub values: &'a [(*mut PyObject, *mut PyObject)],
    /// As in [`Dependencies::types`].
    pub types: &'a [(*mut PyObject, u32)],
    /// As in [`Dependencies::functions`].
    pub functions: &'a [*mut PyObject],
    /// As in [`Dependencies::codes`].
    pub codes: &'a [*mut PyCodeObject],
    /// As [`Trace::held`].
    pub held: &'a [*mut PyObject],
}

impl Trace {
    /// What it relies on, except for [`Dependencies::dicts`].
    pub fn noted(&self) -> Noted<'_> {
        let Dependencies { dicts: _, values, types, functions, codes } = &self.dependencies;
        Noted { values, types, functions, codes, held: &self.held }
    }

    /// Whether a constant is alive as long as the executor is valid: it is kept, or its end would be noticed.
    pub fn is_alive(&self, constant: &Object) -> bool {
        let Dependencies { functions, types, .. } = &self.dependencies;
        let is_watched =
            || functions.contains(&constant.object) || types.iter().any(|&(object, _)| object == constant.object);
        constant.keep != Keep::Guarded || is_watched()
    }

    /// What a constant stands for.
    pub fn object(&self, object: ObjRef) -> Object {
        self.objects[object.as_u32() as usize]
    }

    /// How many instructions of tier 1 a round of the loop stands for; zero if there is no loop.
    pub fn instructions_in_loop(&self) -> u32 {
        self.superblock.body.as_ref().map_or(0, |body| body.instructions)
    }

    /// How many ticks there are in that many instructions from the beginning.
    pub fn ticks_in(&self, instructions: u32) -> u32 {
        let (rounds, rest) = match self.instructions_in_loop() {
            0 => (0, instructions),
            round => (instructions / round, instructions % round),
        };
        rounds * self.ticks.len() as u32 + self.ticks.partition_point(|&done| done <= rest) as u32
    }

    /// What a code reference stands for.
    pub fn code(&self, code: CodeRef) -> *mut PyCodeObject {
        self.codes[code.as_u32() as usize]
    }

    /// Where an executor begins.
    pub fn executor(&self, executor: ExecutorRef) -> Place {
        self.executors[executor.as_u32() as usize]
    }
}
