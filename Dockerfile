# One image for every process: api, worker, bot. Which one it is, the command says.
#
#   docker build -t kernelbot .                        with PyTorch for CPU
#   docker build -t kernelbot --build-arg TORCH=cuda . for a worker with NVIDIA GPUs
#   docker build -t kernelbot --build-arg TORCH=none . for api and bot alone, much smaller
FROM python:3.12-slim

# bubblewrap is the strongest fence the judge knows; where the host forbids it the judge says so in
# each run's provenance and takes the next one. The fonts are for names in pictures that the bot's own lack:
# Chinese, Japanese, Korean, emoji; fribidi puts the letters of Arabic and Hebrew in order. Git fetches
# competitions from repositories.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        bubblewrap ca-certificates fonts-droid-fallback fonts-unifont git libfribidi0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home kernelbot \
    && install -d -o kernelbot -g kernelbot /app /data

WORKDIR /app
# The dependencies first: they change seldom, and their layer is kept while the source changes.
COPY scripts/setup scripts/setup
COPY requirements-server.lock ./
ARG TORCH=cpu
RUN KERNELBOT_PYTHON=/usr/local/bin/python3 KERNELBOT_LOCK=/app/requirements-server.lock \
    KERNELBOT_TORCH=$TORCH ./scripts/setup \
    && rm -rf /root/.cache

COPY . .
# Who runs here may not write beside the code, and would compile all of it at each start.
RUN .venv/bin/python -m compileall -q -j 0 .venv kernelbot runners migrations >/dev/null || true
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KERNELBOT_HOST=0.0.0.0 \
    KERNELBOT_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
USER kernelbot
CMD ["python", "-m", "kernelbot.api"]
