"""The Secret of a namespace by which its predictors show the monitor's token: looked at, never made."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from modelloop_core.wire.tokens import namespace_token
from modelloop_operator.cluster.credentials import Credentials, SecretProblem
from modelloop_operator.decide.observation import NoReport

_FIELD = "the chart's monitor.token.predictorSecretName"
_THEN = "without it the monitor refuses what this namespace's predictors count (docs/install.md, The monitor)"


@dataclass(frozen=True)
class PredictorToken:
    """The Secret's name in every namespace, and the monitor's `whole` token; without one nobody has to show any."""

    secret: str
    whole: str

    async def problem(self, credentials: Credentials, namespace: str) -> NoReport | None:
        """Why predictors of the namespace cannot post, as far as the Secret says; raises ClusterError."""
        if not self.whole:
            return None
        if not self.secret:
            return NoReport("TokenNotGiven", f"the monitor asks for a token, and {_FIELD} names no Secret; {_THEN}")
        try:
            data = await credentials.named(namespace, self.secret, "token", field=_FIELD)
        except SecretProblem as error:
            return NoReport(error.reason, f"{error} ({_FIELD}); {_THEN}")
        # As a predictor reads it: without the newline that an editor leaves.
        shown = data["token"].strip().encode()
        taken = (self.whole, namespace_token(self.whole, namespace))
        if any(hmac.compare_digest(shown, one.encode()) for one in taken):
            return None
        where = f"Secret {namespace}/{self.secret} ({_FIELD})"
        return NoReport("TokenWrong", f"{where} holds neither the monitor's token nor that of the namespace; {_THEN}")
