# The command in an image: `docker build -t asyncmigrate:0.1.0 .` (docs/in-cluster.md). Nothing in it needs root, a shell,
# HOME or a place to write. `python -m tests.image` plays these steps without a container.
FROM python:3.13.8-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY image/ image/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-deps --only-binary :all: --require-hashes -r image/build-requirements.txt \
 && python -m venv --without-pip /opt/asyncmigrate \
 && /opt/build/bin/pip --python /opt/asyncmigrate/bin/python install \
      --no-deps --only-binary :all: --require-hashes -r image/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/build/bin/pip --python /opt/asyncmigrate/bin/python install --no-deps --no-index dist/*.whl

FROM python:3.13.8-slim-bookworm
COPY --from=build /opt/asyncmigrate /opt/asyncmigrate
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/opt/asyncmigrate/bin/asyncmigrate"]
