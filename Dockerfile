# Two images: `control` (operator, monitor, command line; no torch) and `runtime` (predictor, batch, retrain).
# Which program a container runs is its `command`, such as ["python", "-m", "modelloop_operator"].
#
#   docker build --target control -t localhost/modelloop/control:dev .
#
# BASE may be any image with Python 3.11 and venv. PIP_EXTRA_INDEX_URL takes one more index, such as PyTorch's own
# for CPU wheels: without it (and without wheels in PIP_FIND_LINKS) torch is the CUDA build and the image 6 GB.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS venv
ARG PIP_CERT=
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_FIND_LINKS=
# As variables, for not every builder hands arguments on to stages made from this one; the final stages are not.
ENV PIP_CERT=${PIP_CERT} PIP_INDEX_URL=${PIP_INDEX_URL} PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL} \
    PIP_FIND_LINKS=${PIP_FIND_LINKS} PIP_CACHE_DIR=/pip-cache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
RUN python3 -m venv /opt/modelloop

FROM venv AS control-dependencies
COPY requirements/control.txt /src/requirements.txt
RUN --mount=type=cache,target=/pip-cache \
    /opt/modelloop/bin/pip install --requirement /src/requirements.txt

FROM venv AS runtime-dependencies
COPY requirements/runtime.txt /src/requirements.txt
RUN --mount=type=cache,target=/pip-cache \
    /opt/modelloop/bin/pip install --requirement /src/requirements.txt

# The project on its own, so that a change of source leaves the layers with dependencies alone.
FROM venv AS project
COPY . /src
RUN --mount=type=cache,target=/pip-cache \
    /opt/modelloop/bin/pip install --no-deps --target /project /src

FROM ${BASE} AS image
ENV PATH=/opt/modelloop/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/project \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /tmp
USER 65534:65534

FROM image AS control
# Threads that read stores would each keep an arena of their own: memory that the operator never gives back.
ENV MALLOC_ARENA_MAX=2
COPY --from=control-dependencies /opt/modelloop /opt/modelloop
COPY --from=project /project /opt/project

FROM image AS runtime
COPY --from=runtime-dependencies /opt/modelloop /opt/modelloop
COPY --from=project /project /opt/project
