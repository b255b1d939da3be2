"""The words: versioned prompt files that a teacher may edit, and the book that reads them.

It knows nothing of models, retrieval or graphs.
"""

from prompts.book import Prompt, PromptBook, PromptError, RenderedPrompt
from prompts.visible import UNSEEN, visible

__all__ = ["UNSEEN", "Prompt", "PromptBook", "PromptError", "RenderedPrompt", "visible"]
