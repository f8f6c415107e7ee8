//! Which argument of a call becomes which local of a Python function: what CPython's `initialize_locals` finds out when a frame is made
//! (`Python/ceval.c`).

use super::Lowering;
use crate::state::Content;
use crate::trace::Keep;
use core::ops::Range;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

/// Where a local gets its content from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// This argument of the call.
    Argument(usize),
    /// A default of the function.
    Default(*mut PyObject),
    /// A tuple of these arguments: `*args`.
    Rest(Range<usize>),
}

/// Sources of the function's first locals, for a call with so many positional arguments, behind which are arguments with these names. None if the
/// call raises, or if more is needed than can be said here: a dict for `**kwargs`, defaults from a dict.
pub(super) unsafe fn bind(
    function: *mut PyFunctionObject,
    positional: usize,
    names: &[*mut PyObject],
) -> Option<Vec<Source>> {
    let code = (*function).func_code.cast::<PyCodeObject>();
    let other = CO_VARKEYWORDS | CO_ASYNC_GENERATOR;
    if (*code).co_flags & (CO_OPTIMIZED | other) != CO_OPTIMIZED {
        return None;
    }
    let takes_rest = (*code).co_flags & CO_VARARGS != 0;
    let (count, keyword_only) = ((*code).co_argcount as usize, (*code).co_kwonlyargcount as usize);
    if positional > count && !takes_rest {
        return None;
    }
    let mut sources = vec![None; count + keyword_only];
    for (i, source) in sources.iter_mut().take(count.min(positional)).enumerate() {
        *source = Some(Source::Argument(i));
    }
    for (i, &name) in names.iter().enumerate() {
        let by_name = (*code).co_posonlyargcount as usize..count + keyword_only;
        // Names that are not the same object may be equal; they seldom are.
        let at = by_name.into_iter().find(|&at| tuple_item((*code).co_localsplusnames, at) == name)?;
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
    let mut sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
    if takes_rest {
        sources.push(Source::Rest(count.min(positional)..positional));
    }
    Some(sources)
}

/// Whether some local gets a default: then it must be known which function it is.
pub(super) fn has_defaults(sources: &[Source]) -> bool {
    sources.iter().any(|source| matches!(source, Source::Default(_)))
}

impl Lowering<'_> {
    /// The contents of the locals, given those of the arguments, which were popped.
    pub(super) unsafe fn bound(&mut self, sources: Vec<Source>, arguments: &[Content]) -> Vec<Content> {
        let uses = |content: Content| arguments.iter().filter(|&&other| other == content).count();
        let mut locals = Vec::new();
        for source in sources {
            locals.push(match source {
                Source::Argument(i) => arguments[i],
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
