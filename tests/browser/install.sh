#!/bin/sh
# Find a Chromium for the browser tests, or install one through the system's package manager where that is allowed.
for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
	if command -v "$name" >/dev/null 2>&1; then
		exit 0
	fi
done
if [ -n "$LAF_CHROMIUM" ] && [ -x "$LAF_CHROMIUM" ]; then
	exit 0
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
	as_root="sudo -n"
fi
echo "No Chromium on this machine; installing one for the browser tests."
if command -v apt-get >/dev/null 2>&1; then
	$as_root apt-get update -qq
	for package in chromium-headless-shell chromium; do # the shell is quicker; not every release has it
		$as_root apt-get install -y -qq "$package" >/dev/null 2>&1 && exit 0
	done
elif command -v dnf >/dev/null 2>&1; then
	$as_root dnf install -y -q chromium && exit 0
elif command -v pacman >/dev/null 2>&1; then
	$as_root pacman -S --noconfirm --quiet chromium && exit 0
elif command -v brew >/dev/null 2>&1; then
	brew install --cask --quiet chromium && exit 0
fi
echo "Could not install Chromium; install it by hand, or set LAF_CHROMIUM to its path. The browser tests need it."
if [ -n "$CI" ]; then
	exit 1 # in CI a missing browser is a failure, not a skip
fi
exit 0
