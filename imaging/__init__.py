"""What is seen: intake, sandbox, DICOM, photos, frames, rendering, DICOMweb and annotations."""
