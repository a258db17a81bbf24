#!/usr/bin/env bash
# For CI on a pull request: is what the branch names whole, and is its model better than main's? The answer is *one*
# comment, which a later run edits. Needs the clone with its history, read access to DVC's remote, the program gh with
# GH_TOKEN, and GITHUB_REPOSITORY (OWNER/NAME), PULL_REQUEST (its number); BASE is origin/main unless it is set.
# An argument such as --fail-on-regression is handed to `spanline compare`: the comment comes first, then the failure.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

make check

comment=$(mktemp)
trap 'rm -f "$comment"' EXIT
code=0
spanline compare "${BASE:-origin/main}" HEAD --md "$@" > "$comment" || code=$?
if [ "$code" -ne 0 ] && [ "$code" -ne 4 ]; then # 4: B is worse, and --fail-on-regression was asked for
    exit "$code"
fi
cat "$comment" >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}"

comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
ours='.[] | select(.body | startswith("<!-- spanline compare -->")) | .id'
id=$(gh api --paginate "$comments" --jq "$ours" | head -n 1)
if [ -n "$id" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$comment"
else
    gh api --silent --method POST "$comments" --field "body=@$comment"
fi
exit "$code"
