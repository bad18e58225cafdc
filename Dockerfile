# gtdiag in an image of its own: for a sidecar, `kubectl debug`, or `docker run --pid=container:NAME` (docs/containers.md).
#
#   docker build -t gtdiag .
#   docker run --rm --pid=container:NAME --network=container:NAME --cap-add=SYS_PTRACE gtdiag snapshot
#
# It runs as root, since gunicorn's user is not known here; --user (Kubernetes: runAsUser) with gunicorn's own works too.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gtdiag gtdiag
RUN python -m venv /opt/gtdiag \
    && /opt/gtdiag/bin/pip wheel --no-cache-dir --wheel-dir /wheels '.[zstd]' \
    && /opt/gtdiag/bin/pip install --no-cache-dir --no-index --find-links /wheels 'gtdiag[zstd]' \
    && /opt/gtdiag/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="gtdiag" \
      org.opencontainers.image.description="Tells which call each gunicorn worker was blocked in" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/gtdiag /opt/gtdiag
ENV PATH="/opt/gtdiag/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Recordings and reports that are written without a path; nothing else is ever written.
WORKDIR /var/lib/gtdiag
RUN chmod 1777 /var/lib/gtdiag
ENTRYPOINT ["gtdiag"]
CMD ["--help"]
