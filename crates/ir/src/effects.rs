//! What an op does besides computing its result.

use crate::reasons::ExitReason;
use core::fmt;

macro_rules! memory_classes {
    ($($(#[$doc:meta])* $konst:ident = $name:ident, $bit:literal;)*) => {
        /// A set of memory classes. Accesses of different classes never touch the same memory; accesses of one class may.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct MemorySet(u16);

        impl MemorySet {
            $($(#[$doc])* pub const $konst: MemorySet = MemorySet(1 << $bit);)*
            /// Every class.
            pub const ALL: MemorySet = MemorySet(0 $(| 1 << $bit)*);

            /// The classes in the set, by name.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                [$((MemorySet::$konst, stringify!($name))),*].into_iter().filter(move |c| self.overlaps(c.0)).map(|c| c.1)
            }
        }
    };
}

memory_classes! {
    /// Locals, stack and position of frames in memory.
    FRAME = frame, 0;
    /// The type of an object (`__class__` can be assigned).
    TYPE = ty, 1;
    /// Versions of types, functions, dictionaries and their keys, and the validity of executors.
    VERSION = version, 2;
    /// Attributes in an instance's inline values, and whether those are valid.
    INLINE = inline, 3;
    /// Attributes in `__slots__`.
    SLOT = slot, 4;
    /// Length, items and the address of the items of lists.
    LIST = list, 5;
    /// Contents of closure cells.
    CELL = cell, 6;
    /// Values in dictionaries, those of modules and instances among them.
    DICT = dict, 7;
    /// Positions of iterators.
    ITER = iter, 8;
    /// Reference counts.
    REFCOUNT = refcount, 9;
    /// Requests to the thread: signals, other threads, the collector, tracing; its recursion depth.
    THREAD = thread, 10;
    /// Length of arrays and bytearrays, and the address of their elements.
    ARRAY = array, 11;
    /// Their elements: numbers, so writing one drops nothing.
    ELEMENT = element, 12;
    /// Whether generators run, where they are suspended, and the slots of their frames.
    GENERATOR = generator, 13;
}

impl MemorySet {
    /// No class.
    pub const NONE: MemorySet = MemorySet(0);

    /// The union.
    pub const fn union(self, other: MemorySet) -> MemorySet {
        MemorySet(self.0 | other.0)
    }

    /// Whether the sets have a class in common.
    pub const fn overlaps(self, other: MemorySet) -> bool {
        self.0 & other.0 != 0
    }

    /// The set without the classes of the other.
    pub const fn without(self, other: MemorySet) -> MemorySet {
        MemorySet(self.0 & !other.0)
    }

    /// Whether there is no class in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for MemorySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Where an op ends a section of a superblock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ends {
    /// Nowhere: it is no terminator.
    Nothing,
    /// The prefix of a superblock that has a loop.
    Prefix,
    /// The loop.
    Loop,
    /// A superblock without a loop.
    Superblock,
}

/// What an op or helper does besides computing its result. Built by chaining: `Effects::NONE.reads(..).exits(..)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Effects {
    /// Memory its result depends on.
    pub reads: MemorySet,
    /// Memory it changes. An op that exits changes nothing when it does.
    pub writes: MemorySet,
    /// May run arbitrary Python code, which may change all memory and look at all frames.
    pub escapes: bool,
    /// May set an exception and then yields null (or a negative number), which the next op must check.
    pub raises: bool,
    /// May leave the superblock, and why.
    pub exits: Option<ExitReason>,
    /// Makes a new object.
    pub allocates: bool,
    /// Changes nothing if it cannot do what it does, which its result says. The guard that follows looks at that, and may leave for the
    /// instruction to be executed by tier 1.
    pub tries: bool,
    /// What it terminates.
    pub ends: Ends,
}

impl Effects {
    /// No effects: the result depends on the operands alone.
    pub const NONE: Effects = Effects {
        reads: MemorySet::NONE,
        writes: MemorySet::NONE,
        escapes: false,
        raises: false,
        exits: None,
        allocates: false,
        tries: false,
        ends: Ends::Nothing,
    };

    /// Nothing more: for table rows that have no effect.
    pub const fn pure(self) -> Effects {
        self
    }

    /// Also reads this class.
    pub const fn reads(mut self, class: MemorySet) -> Effects {
        self.reads = self.reads.union(class);
        self
    }

    /// Also writes this class.
    pub const fn writes(mut self, class: MemorySet) -> Effects {
        self.writes = self.writes.union(class);
        self
    }

    /// Also runs arbitrary code, so reads and writes everything.
    pub const fn escapes(mut self) -> Effects {
        self.escapes = true;
        self.reads = MemorySet::ALL;
        self.writes = MemorySet::ALL;
        self
    }

    /// Also sets exceptions.
    pub const fn raises(mut self) -> Effects {
        self.raises = true;
        self
    }

    /// Also exits, for this reason.
    pub const fn exits(mut self, reason: ExitReason) -> Effects {
        self.exits = Some(reason);
        self
    }

    /// Also makes an object.
    pub const fn allocates(mut self) -> Effects {
        self.allocates = true;
        self
    }

    /// Also changes nothing if it cannot.
    pub const fn tries(mut self) -> Effects {
        self.tries = true;
        self
    }

    /// Terminates a section.
    pub const fn ends(mut self, ends: Ends) -> Effects {
        self.ends = ends;
        self
    }

    /// Whether the op must name a snapshot: it exits, or other code sees the frames.
    pub const fn needs_snapshot(&self) -> bool {
        self.escapes || self.exits.is_some()
    }

    /// Whether going back to before the op and executing it again would be noticed. Reference counts are left out:
    /// snapshots say who owns what.
    pub const fn is_side_effect(&self) -> bool {
        self.escapes || !self.writes.without(MemorySet::REFCOUNT).is_empty()
    }
}
