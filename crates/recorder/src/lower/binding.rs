//! Which argument of a call becomes which local of a Python function: what CPython's `initialize_locals` finds out when a frame is made
//! (`Python/ceval.c`).

use super::Lowering;
use super::attributes::name_constant;
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ops::Range;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Value};

/// Where a local gets its content from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// This argument of the call.
    Argument(usize),
    /// A default of the function.
    Default(*mut PyObject),
    /// The default of a parameter that is passed by keyword only.
    KeywordDefault(KeywordDefault),
    /// A tuple of these arguments: `*args`.
    Rest(Range<usize>),
    /// A dictionary of these arguments, by name: `**kwargs`.
    Keywords(Vec<(*mut PyObject, usize)>),
    /// What [`Lowering::prepared`] has made of the source: this value (borrowed).
    Loaded(Value),
    /// The same, with a reference.
    Made(Value),
}

/// Where the dictionary of a function's defaults has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeywordDefault {
    dict: *mut PyObject,
    /// The version of the dictionary's keys, as long as which this is its entry. Values in it may be replaced without anybody noticing.
    version: u32,
    index: u32,
}

impl KeywordDefault {
    unsafe fn of(function: *mut PyFunctionObject, name: *mut PyObject) -> Option<KeywordDefault> {
        let dict = (*function).func_kwdefaults;
        if dict.is_null() || !is_type(dict, &raw mut ffi::PyDict_Type) {
            return None;
        }
        let table = dict.cast::<PyDictObject>();
        let keys = (*table).ma_keys;
        if !(*table).ma_values.is_null() || !keys_are_unicode(keys) {
            return None;
        }
        let index = find_interned(keys, name)?;
        let version = keys_version(keys);
        if version == 0 || (*dict_value_slot(table, index)).is_null() {
            return None;
        }
        Some(KeywordDefault { dict, version, index: u32::try_from(index).ok()? })
    }
}

/// Sources of the function's first locals, for a call with so many positional arguments, behind which are arguments with these names. None if the
/// call raises, or if that cannot be told simply.
pub(super) unsafe fn bind(
    function: *mut PyFunctionObject,
    positional: usize,
    names: &[*mut PyObject],
) -> Option<Vec<Source>> {
    let code = (*function).func_code.cast::<PyCodeObject>();
    if (*code).co_flags & (CO_OPTIMIZED | CO_ASYNC_GENERATOR) != CO_OPTIMIZED {
        return None;
    }
    let takes_keywords = (*code).co_flags & CO_VARKEYWORDS != 0;
    let takes_rest = (*code).co_flags & CO_VARARGS != 0;
    let (count, keyword_only) = ((*code).co_argcount as usize, (*code).co_kwonlyargcount as usize);
    if positional > count && !takes_rest {
        return None;
    }
    let mut sources = vec![None; count + keyword_only];
    for (i, source) in sources.iter_mut().take(count.min(positional)).enumerate() {
        *source = Some(Source::Argument(i));
    }
    let mut further = Vec::new();
    for (i, &name) in names.iter().enumerate() {
        let by_name = (*code).co_posonlyargcount as usize..count + keyword_only;
        // Names that are not the same object may be equal; they seldom are.
        let Some(at) = by_name.into_iter().find(|&at| tuple_item((*code).co_localsplusnames, at) == name) else {
            // Names of parameters are interned, so one that is interned and none of them is equal to none of them.
            let is_further = takes_keywords && facts::is_str(name) && unicode_is_interned(name);
            if !is_further || further.iter().any(|&(other, _)| other == name) {
                return None;
            }
            further.push((name, positional + i));
            continue;
        };
        if sources[at].replace(Source::Argument(positional + i)).is_some() {
            return None;
        }
    }
    let defaults = (*function).func_defaults;
    let known = if defaults.is_null() { 0 } else { size(defaults) as usize };
    for (i, source) in sources.iter_mut().enumerate().take(count).filter(|(_, source)| source.is_none()) {
        let from_end = count - i;
        *source = Some(Source::Default(tuple_item(defaults, known.checked_sub(from_end)?)));
    }
    for (i, source) in sources.iter_mut().enumerate().skip(count).filter(|(_, source)| source.is_none()) {
        let name = tuple_item((*code).co_localsplusnames, i);
        *source = Some(Source::KeywordDefault(KeywordDefault::of(function, name)?));
    }
    let mut sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
    if takes_rest {
        sources.push(Source::Rest(count.min(positional)..positional));
    }
    if takes_keywords {
        sources.push(Source::Keywords(further));
    }
    Some(sources)
}

/// Whether some local gets a default: then it must be known which function it is.
pub(super) fn has_defaults(sources: &[Source]) -> bool {
    sources.iter().any(|source| matches!(source, Source::Default(_) | Source::KeywordDefault(_)))
}

/// Whether a local, or the tuple of the rest, gets an argument.
pub(super) fn uses(sources: &[Source], argument: usize) -> bool {
    sources.iter().any(|source| match source {
        Source::Argument(i) => *i == argument,
        Source::Rest(range) => range.contains(&argument),
        Source::Default(_) | Source::KeywordDefault(_) | Source::Keywords(_) | Source::Loaded(_) | Source::Made(_) => {
            false
        }
    })
}

/// Which arguments the locals get in dictionaries only: they are dropped when the frame is there.
pub(super) fn in_dictionaries(sources: &[Source]) -> Vec<usize> {
    let keywords = sources.iter().filter_map(|source| match source {
        Source::Keywords(items) => Some(items.iter().map(|&(_, i)| i)),
        _ => None,
    });
    keywords.flatten().collect()
}

impl Lowering<'_> {
    /// Before the arguments are taken off the stack, where the first one is so far from the top: guards that there is space for the frame, and
    /// defaults, then makes dictionaries. No guard of the call may follow.
    pub(super) unsafe fn prepared(&mut self, sources: Vec<Source>, first: usize) -> Option<Vec<Source>> {
        self.prepared_of(sources, |l, i| l.f.peek(first - i))
    }

    /// The same for arguments that come from somewhere else.
    pub(super) unsafe fn prepared_of(
        &mut self,
        mut sources: Vec<Source>,
        argument: impl Fn(&mut Self, usize) -> Option<Value>,
    ) -> Option<Vec<Source>> {
        self.f.at();
        self.f.builder.check_stack_space();
        for source in &mut sources {
            if let Source::KeywordDefault(KeywordDefault { dict, version, index }) = *source {
                let dict = self.f.constant(dict, Keep::Guarded);
                self.f.at();
                self.f.builder.guard_keys_version(dict, version);
                let value = self.f.builder.load_dict_value(dict, index);
                self.f.info(value).nullable = true;
                self.decide_null(value, false);
                *source = Source::Loaded(value);
            }
        }
        for source in &mut sources {
            if let Source::Keywords(items) = source {
                let null = self.f.builder.const_null();
                let mut args = vec![null, null];
                for &(name, i) in items.iter() {
                    args.push(name_constant(self, name));
                    let v = argument(self, i)?;
                    args.push(self.f.boxed(v));
                }
                let dict = self.raising(Helper::BuildMap, &args)?;
                self.f.of_class(dict, &raw mut ffi::PyDict_Type);
                *source = Source::Made(dict);
            }
        }
        Some(sources)
    }

    /// The contents of the locals, given those of the arguments, which were popped, and the sources [`Lowering::prepared`].
    pub(super) unsafe fn bound(&mut self, sources: Vec<Source>, arguments: &[Content]) -> Vec<Content> {
        let uses = |content: Content| arguments.iter().filter(|&&other| other == content).count();
        let mut locals = Vec::new();
        for source in sources {
            locals.push(match source {
                Source::Argument(i) => arguments[i],
                Source::Loaded(v) => Content::Value(self.f.borrowed(v)),
                Source::Made(v) => Content::Value(v),
                Source::KeywordDefault(_) | Source::Keywords(_) => unreachable!("prepared"),
                Source::Default(object) => {
                    let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Guarded };
                    let v = self.f.constant(object, keep);
                    Content::Value(if keep == Keep::Guarded { self.f.borrowed(v) } else { v })
                }
                Source::Rest(range) if range.is_empty() => {
                    // There is only one.
                    let empty = ffi::PyTuple_New(0);
                    Content::Value(self.f.constant(empty, Keep::Immortal))
                }
                Source::Rest(range) => {
                    let mut items = Vec::new();
                    for &content in &arguments[range] {
                        let Content::Value(v) = content else { unreachable!("arguments are objects") };
                        let object = self.f.boxed(v);
                        if uses(content) > 1 {
                            self.f.builder.incref(object);
                            items.push(object);
                        } else {
                            items.push(self.f.take(object));
                        }
                    }
                    let tuple = self.f.builder.new_tuple(&items);
                    self.f.owned(tuple);
                    self.f.of_class(tuple, &raw mut ffi::PyTuple_Type);
                    Content::Value(tuple)
                }
            });
        }
        locals
    }
}
