# The runtime in a container, for amd64 and arm64 (docs/container.md): no root, a read-only file system.
# BASE needs Python 3.10 to 3.13 with venv, on a glibc of 2.28 or newer.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /source
COPY requirements/extras.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/asl-edge \
 && /opt/asl-edge/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/extras.txt \
 && python3 -m venv /tmp/build \
 && /tmp/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY edge edge
RUN /tmp/build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
 && /opt/asl-edge/bin/python -m pip install --no-cache-dir --no-deps --no-index /tmp/wheels/*.whl \
 && /opt/asl-edge/bin/python -m compileall -q /opt/asl-edge/lib

FROM ${BASE}
COPY --from=build /opt/asl-edge /opt/asl-edge
COPY container/settings.toml /etc/asl-edge/settings.toml
COPY container/health.py /opt/asl-edge/health.py
# a fixed number, so that a volume keeps its owner from one image to the next
RUN mkdir -p /var/lib/asl-edge && chown 10001:10001 /var/lib/asl-edge
USER 10001:10001
ENV PATH=/opt/asl-edge/bin:$PATH PYTHONUNBUFFERED=1
VOLUME /var/lib/asl-edge
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/opt/asl-edge/bin/python", "/opt/asl-edge/health.py"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["asl-edge"]
CMD ["run", "--config", "/etc/asl-edge/settings.toml"]
