//! Random programs, recorded as the recorder records: a picture of one frame, references by aliases and homes.
//!
//! Locals: 0 to 2 ints, 3 and 4 floats, 5 an instance, 6 a list of ints, 7 an object with a finalizer, 8 and 9 anything.

mod picture;
mod statements;

use hotspur_ir::{Builder, CodeRef, ExitReason, Resume, SnapshotId, Superblock, Value};
use std::collections::HashMap;

/// A generator of random numbers (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What a value is when the program is recorded.
#[derive(Clone, PartialEq, Debug)]
enum Kind {
    Int,
    Float,
    Bool,
    None,
    Point,
    List,
    Tuple(Vec<Kind>),
    Cell(Box<Kind>),
    Method,
    Opaque,
}

const INT: u32 = 0;
const FLOAT: u32 = 1;
const POINT: u32 = 2;
const LIST: u32 = 3;
const TUPLE: u32 = 4;
const NONE: u32 = 7;
const INTS: [u32; 5] = [10, 11, 12, 13, 14];
const FLOATS: [u32; 6] = [20, 21, 22, 23, 24, 25];
const FUNCTION: u32 = 30;
pub const LOCALS: usize = 10;

/// The objects that the program knows, and what its frame holds.
pub fn header(rng: &mut Rng) -> String {
    let finalizer = ["return obj10", "invalidate", "raise", "set_local 0 1 obj11", "keep_local 0 3", "keep_local 0 8"];
    let action = rng.pick(&finalizer);
    let called = rng.pick(&["return obj12", "return obj21", "invalidate", "raise", "set_local 0 3 obj22"]);
    let mut text = format!(
        "test interp
object obj0 = type int
object obj1 = type float
object obj2 = type Point 3
object obj3 = type list
object obj4 = type tuple
object obj5 = type str
object obj6 = type bool
object obj7 = none
object obj8 = type cell
object obj10 = int 0
object obj11 = int 1
object obj12 = int 2
object obj13 = int -7
object obj14 = int 1000000
object obj20 = float 0.0
object obj21 = float 1.5
object obj22 = float -2.25
object obj23 = float 1e300
object obj24 = float f64:0x7ff8000000000000
object obj25 = float -0.0
object obj30 = function 1 {called}
object obj40 = temporary instance obj2 [obj21, obj12]
object obj41 = temporary list [obj10, obj12, obj13, obj11]
object obj42 = temporary instance obj2 [obj10, null] finalizer {action}
object obj43 = temporary int 3
object obj44 = temporary float 2.5
"
    );
    for _ in 0..3 {
        let int = |rng: &mut Rng| rng.pick(&["obj10", "obj11", "obj12", "obj13", "obj14", "obj43"]);
        let float = |rng: &mut Rng| rng.pick(&["obj20", "obj21", "obj22", "obj24", "obj44"]);
        let locals = [int(rng), int(rng), int(rng), float(rng), float(rng)].join(", ");
        let periods = rng.below(5);
        let wide = if rng.one_in(3) { " wide" } else { "" };
        let odd = if rng.one_in(6) { "obj44" } else { "obj43" };
        text += &format!(
            "run locals [{locals}, obj40, obj41, obj42, {odd}, obj43] periods {periods} fuel 20000{wide} script [stays 999 [], acts 999 [] keep_local 0 0, stores 999 [] 3 obj22]\n"
        );
    }
    text
}

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Memory,
    Null,
    Value(Value),
}

#[derive(Clone, Copy)]
struct Slot {
    content: Content,
    home: bool,
}

#[derive(Clone)]
struct Info {
    aliases: u32,
    owned: bool,
    held: bool,
    is_guarded: bool,
    kind: Kind,
    unboxed: Option<Value>,
}

struct Recorder<'a> {
    b: Builder,
    rng: &'a mut Rng,
    locals: Vec<Slot>,
    kinds: Vec<Kind>,
    stack: Vec<Slot>,
    infos: HashMap<Value, Info>,
    dead: Vec<Value>,
    at: Option<SnapshotId>,
    pc: u32,
    may_execute: bool,
}

const CODE: u32 = 0;

/// A random superblock.
pub fn superblock(rng: &mut Rng) -> Superblock {
    use Kind::{Float, Int, List, Opaque, Point};
    let (is_loop, statements) = (rng.below(3) > 0, 2 + rng.below(10));
    let mut r = Recorder {
        b: Builder::new(CodeRef::from_u32(CODE), 4),
        locals: vec![Slot { content: Content::Memory, home: true }; LOCALS],
        kinds: vec![Int, Int, Int, Float, Float, Point, List, Opaque, Int, Int],
        stack: Vec::new(),
        infos: HashMap::new(),
        dead: Vec::new(),
        at: None,
        pc: 4,
        may_execute: rng.one_in(4),
        rng,
    };
    if is_loop {
        r.b.enter_loop(&[]);
        r.b.begin_loop();
    }
    for _ in 0..statements {
        r.statement();
    }
    r.next();
    if is_loop {
        r.flush();
        r.snapshot(Resume::At);
        r.b.check_periodic();
        r.b.jump_loop(&[]);
    } else {
        r.snapshot(Resume::At);
        r.b.exit(ExitReason::EndOfTrace);
    }
    r.b.finish()
}
