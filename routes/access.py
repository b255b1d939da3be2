"""Who calls: the local person, or whoever holds the API key that came with the request."""

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from agent.errors import ForbiddenError
from routes.opening import OpenAssistant

if TYPE_CHECKING:
    from agent.privacy.access import Action, Caller

_BEARER = HTTPBearer(auto_error=False, description="An API key; none where ASSIST_AUTH=local.")


class Allowed:
    """A dependency: the caller, if their role allows an action at all.

    Which course or object they mean is judged where it is known.
    """

    def __init__(self, action: "Action") -> None:
        self.action = action

    async def __call__(
        self,
        request: Request,
        assistant: OpenAssistant,
        _: Annotated[object, Depends(_BEARER)],
    ) -> "Caller":
        """Return the caller.

        Raises:
            UnauthenticatedError: no valid key came with the request.
            ForbiddenError: the key's role does not allow this.
        """
        from agent.privacy.access import require_role

        caller = assistant.local
        if assistant.settings.auth == "local" and not _is_here(request):
            raise ForbiddenError(
                "This service is for one person on its own machine (ASSIST_AUTH=local). Ask from "
                "there, or let its operator make API keys."
            )
        if assistant.settings.auth == "keys":
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            given = key.strip() if scheme.lower() == "bearer" else ""
            caller = await asyncio.to_thread(assistant.admission.caller_of, given)
        require_role(caller, self.action)
        return caller


def _is_here(request: Request) -> bool:
    try:
        return request.client is None or ip_address(request.client.host).is_loopback
    except ValueError:
        return False


Asking = Annotated["Caller", Depends(Allowed("ask"))]
Owning = Annotated["Caller", Depends(Allowed("own"))]
Reading = Annotated["Caller", Depends(Allowed("content"))]
Auditing = Annotated["Caller", Depends(Allowed("audit"))]
