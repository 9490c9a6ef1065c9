#!/bin/sh
# Analyse a media file on a server, and print a label for each utterance: recognize.sh URL FILE
# (URL as mmer-serve prints it; a --token of your own without + & % #)
url="${1%%\?token=*}"
token="${1#*\?token=}"
curl --silent --show-error --fail-with-body --no-buffer \
  --header "Authorization: Bearer $token" --data-binary "@$2" "${url%/}/v1/recognize" |
  grep '"final":true' | sed 's/.*"t":\([0-9.]*\).*"label":\([^,]*\),"confidence.*/\1 \2/'
