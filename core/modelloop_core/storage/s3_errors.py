"""What a store that speaks S3 can answer, in the words of the port: one sentence each, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from botocore import exceptions as boto

from modelloop_core.storage.port import AccessDenied, AlreadyExists, NotFound, StoreError, Unavailable


class ConditionalConflict(StoreError):
    """Another write of the same key was under way; the store asks for another try."""


class RangePastEnd(StoreError):
    """The object ends before the first byte that was asked for."""


_WRONG_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "XAdminUserNotFound",  # versitygw, as a 404
}
_WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_BUSY = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests", "InternalError", "ServiceUnavailable"}


class translated:  # noqa: N801 - reads as a statement: `with translated(…) as client`
    """Gives the client and turns whatever boto3 raises inside into the port's family."""

    def __init__(self, attempt: str, bucket: str, client: Callable[[], Any]) -> None:
        self._attempt = attempt
        self._bucket = bucket
        self._client = client

    def __enter__(self) -> Any:
        try:
            return self._client()
        except (boto.BotoCoreError, ValueError, OSError) as error:
            raise _from_library(self._attempt, error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, boto.ClientError):
            raise _from_answer(self._attempt, self._bucket, error) from error
        if isinstance(error, (boto.BotoCoreError, OSError)):
            raise _from_library(self._attempt, error) from error


def _from_answer(attempt: str, bucket: str, error: boto.ClientError) -> StoreError:
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", "")).rstrip(".")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"the store answered {code or status}" + (f" ({message})" if message else "")
    if code in _WRONG_CREDENTIALS:
        return AccessDenied(f"{attempt}: {said}; check the access key, the secret key and the clock")
    if code == "NoSuchBucket":
        return NotFound(f"{attempt}: there is no bucket {bucket!r}; create it or check the address")
    if code in _WRONG_REGION or status == 301:
        return StoreError(f"{attempt}: {said}; name the bucket's region")
    if code in _BUSY or status in (429, 500, 502, 503, 504):
        return Unavailable(f"{attempt}: {said}")
    return _by_status(attempt, said, code, status)


def _by_status(attempt: str, said: str, code: str, status: int) -> StoreError:
    match status:
        case 401 | 403:
            return AccessDenied(f"{attempt}: {said}; the credentials may not do this")
        case 404:
            return NotFound(f"{attempt}: there is no such object")
        case 412:
            return AlreadyExists(f"{attempt}: it exists")
        case 409 if code in ("ConditionalRequestConflict", "OperationAborted"):
            return ConditionalConflict(f"{attempt}: {said}")
        case 416:
            return RangePastEnd(f"{attempt}: {said}")
        case 501:
            return StoreError(f"{attempt}: {said}; a registry needs a store with conditional writes (If-None-Match)")
        case _:
            return StoreError(f"{attempt}: {said}")


def _from_library(attempt: str, error: Exception) -> StoreError:
    said = str(error).rstrip(".")
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return AccessDenied(
                f"{attempt}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        case boto.ProfileNotFound() | boto.TokenRetrievalError() | boto.UnauthorizedSSOTokenError():
            return AccessDenied(f"{attempt}: {said}")
        case boto.SSLError():
            return StoreError(f"{attempt}: {said}; name the store's CA file, or check its certificate")
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError():
            return Unavailable(f"{attempt}: the store did not answer in time")
        case boto.ConnectionError():
            return Unavailable(f"{attempt}: no connection to the store; check the endpoint and that it runs")
        case boto.HTTPClientError() | boto.IncompleteReadError() | boto.FlexibleChecksumError():
            return Unavailable(f"{attempt}: {said}")
        case ValueError() if "endpoint" in said:
            return StoreError(f"{attempt}: {said}; give the endpoint as https://HOST or http://HOST:PORT")
        case FileNotFoundError() | PermissionError():
            return StoreError(f"{attempt}: {said}")
        case OSError():
            return StoreError(f"{attempt}: {said}; check the CA file and the file to store")
        case _:
            return StoreError(f"{attempt}: {said}")
