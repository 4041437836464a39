# Words drawn into pictures
plane-detector = detector plane
error-version-needed = Say which version you changed: If-Match is missing.
