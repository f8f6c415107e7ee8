//! Closed tables of reasons: why a recording was given up, why a superblock was left, why an executor became invalid.
//!
//! Each reason has a name (in the text format, statistics and logs) and a message for people. Counters are arrays indexed
//! by reason, so a reason that nobody counts cannot exist.

use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:ident, $message:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $enum { $(#[doc = concat!($message, ".")] $variant),* }

        impl $enum {
            /// Every reason, in order.
            pub const ALL: &[$enum] = &[$($enum::$variant),*];

            /// How many there are: the length of an array of counters.
            pub const COUNT: usize = $enum::ALL.len();

            /// The name, as in the text format and in statistics.
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => stringify!($name)),* }
            }

            /// A message for people: a clause without a full stop.
            pub const fn message(self) -> &'static str {
                match self { $($enum::$variant => $message),* }
            }

            /// The reason with this name.
            pub fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|r| r.name() == name)
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.message())
            }
        }
    )*};
}

impl ExitReason {
    /// Whether tier 1 executes again what the guard belongs to, and finds out by itself what there is to find out: then it does no harm to leave although the
    /// guard holds. After the others, execution goes on as it does only because the guard has failed (or may do so, as behind guards that stand for a
    /// branch).
    pub const fn is_tried_again(self) -> bool {
        use ExitReason::*;
        match self {
            WrongType | TypeChanged | KeysChanged | GlobalsChanged | FunctionChanged | NotCompact
            | IndexOutOfBounds | ValuesInvalid | LastReference | Overflow | ZeroDivision | Domain | NotSuspended
            | Periodic | StackSpace | FrameKept | Unsupported => true,
            OtherObject | OtherBranch | Unbound | Bound | OtherCaller | Exhausted | NotExhausted | Invalidated
            | Raised | DynamicTarget | Linked | EndOfTrace | InnerLoop => false,
        }
    }
}

reasons! {
    /// Why a recording was given up. Nothing was compiled; repeated aborts at one place back off, then give up for good.
    AbortReason {
        TooLong = too_long, "the trace is longer than the limit";
        TooManyConstants = too_many_constants, "the trace holds more constants than the limit";
        TooManyExits = too_many_exits, "the trace has more exits than the limit";
        TooManyExecutors = too_many_executors, "the limit on executors or code memory is reached";
        TooDeep = too_deep, "more frames are inlined than the limit";
        SnapshotTooLarge = snapshot_too_large, "a snapshot has more slots than the limit";
        RecursionUnrolled = recursion_unrolled, "the trace unrolls a recursive call without end";
        InnerLoop = inner_loop, "the trace runs round a loop that is not its own";
        LeftStart = left_start, "the frame where recording began was left before the trace could end";
        ExceptionRaised = exception_raised, "an exception left the frames of the trace";
        FrameCleared = frame_cleared, "a frame of the trace was cleared or taken over by a frame object while recording";
        CodeChanged = code_changed, "code of the trace was replaced or instrumented while recording";
        RecorderInterrupted = recorder_interrupted, "another thread or a signal handler ran code in between";
        ExecutorRemoved = executor_removed, "the executor whose exit grew hot was removed while recording";
        DependencyChanged = dependency_changed, "something the trace relies on changed while recording";
        ToolsActive = tools_active, "tracing, profiling or monitoring was switched on while recording";
        StackMismatch = stack_mismatch, "the recorder's stack differs from the frame's";
        VerifierFailed = verifier_failed, "the superblock is malformed";
        CompileFailed = compile_failed, "machine code could not be made";
        OutOfMemory = out_of_memory, "no memory is left";
        ShuttingDown = shutting_down, "the interpreter is shutting down, or the process forked";
    }

    /// Why execution left a superblock. Guards that fail leave it before the instruction they belong to has changed
    /// anything.
    ExitReason {
        WrongType = wrong_type, "an object is of another type";
        TypeChanged = type_changed, "a type was modified";
        KeysChanged = keys_changed, "the keys of a dictionary differ";
        GlobalsChanged = globals_changed, "a dictionary of globals or builtins was modified";
        FunctionChanged = function_changed, "a function is another one or was modified";
        OtherObject = other_object, "an object is another one";
        OtherBranch = other_branch, "a condition had the other truth value";
        Unbound = unbound, "a variable, attribute or slot holds nothing";
        Bound = bound, "a variable, attribute or slot holds something";
        NotCompact = not_compact, "an int does not fit into one digit";
        IndexOutOfBounds = index_out_of_bounds, "an index is out of bounds";
        ValuesInvalid = values_invalid, "an instance does not keep its attributes in inline values";
        LastReference = last_reference, "the only reference to an object is about to be dropped";
        Overflow = overflow, "an integer result does not fit into 64 bits";
        ZeroDivision = zero_division, "a divisor is zero, or a quotient does not fit into 64 bits";
        Domain = domain, "a function has no result, or none that is finite";
        OtherCaller = other_caller, "a generator was resumed from elsewhere";
        Exhausted = exhausted, "an iterator is exhausted";
        NotExhausted = not_exhausted, "an iterator is not exhausted";
        NotSuspended = not_suspended, "a generator is not suspended where it was";
        Invalidated = invalidated, "the executor became invalid, or other code changed the locals of its frames";
        Periodic = periodic, "a signal, another thread, the collector or a tool asks for attention";
        StackSpace = stack_space, "the recursion limit or the end of the data stack is reached";
        Raised = raised, "an exception was raised";
        DynamicTarget = dynamic_target, "the next instruction depends on data";
        Linked = linked, "execution goes on in another executor";
        FrameKept = frame_kept, "somebody has an object of the frame, or it is a generator's";
        EndOfTrace = end_of_trace, "recording ended here";
        InnerLoop = inner_loop, "recording ended here, in a loop within the trace";
        Unsupported = unsupported, "the next instruction is left to tier 1";
    }

    /// Why an executor became invalid.
    InvalidationReason {
        TypeModified = type_modified, "a type was modified";
        TypeFreed = type_freed, "a type was freed, and its address may be used again";
        DictModified = dict_modified, "a watched dictionary was modified or freed";
        FunctionModified = function_modified, "a function was modified or freed";
        CodeFreed = code_freed, "a code object was freed";
        Cold = cold, "it was not entered between two sweeps";
        CodeMemory = code_memory, "its code memory was needed";
        Losing = losing, "it leaves more often, or costs more, than it gains";
        ManyKinds = many_kinds, "what it calls is something else too often";
        NotCompiled = not_compiled, "it was recorded, but could not be compiled";
        LinkLost = link_lost, "an executor that it cannot run without was removed";
        Forked = forked, "the process forked while it was being compiled";
        Shutdown = shutdown, "the interpreter is shutting down";
        Requested = requested, "the user asked for it";
    }
}
