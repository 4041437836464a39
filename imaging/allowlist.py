"""Allowlist: the attributes that whoever may not see identity still gets, and what each may say.

Data for ``imaging.deidentify``. Everything that is not here is removed: PS3.15 E.3.1 in its safest form. No attribute of
free text is here at all; a coded string is kept only where it is one of the words listed, a code only where it is one of
the codes listed, with the meaning written here. Dates stay to the day (follow-up pictures are read by their distance),
times of day do not. What PS3.15 table E.1-1 removes is here only by an option the de-identification method names.
"""

_NUMBERS = """
AcquisitionMatrix AcquisitionNumber BitsAllocated BitsStored BluePaletteColorLookupTableDescriptor Columns ConcatenationFrameOffsetNumber
CTDIvol DataCollectionDiameter DimensionIndexValues DistanceSourceToDetector DistanceSourceToEntrance DistanceSourceToPatient
EchoTime EstimatedRadiographicMagnificationFactor Exposure ExposureInuAs ExposureTime ExposureTimeInuS FieldOfViewDimensions
FlipAngle FocalSpots FrameAcquisitionNumber FrameDelay FrameTime FrameTimeVector GantryDetectorTilt GreenPaletteColorLookupTableDescriptor
HighBit ImageOrientationPatient ImagePositionPatient ImagerPixelSpacing ImagesInAcquisition InConcatenationNumber
InConcatenationTotalNumber InStackPositionNumber InstanceNumber KVP LargestImagePixelValue LossyImageCompressionRatio LUTDescriptor
NominalScannedPixelSpacing NumberOfFrames PatientSize PatientWeight PixelAspectRatio PixelPaddingRangeLimit PixelPaddingValue
PixelRepresentation PixelSpacing PlanarConfiguration PixelIntensityRelationshipSign RecommendedDisplayFrameRate ReconstructionDiameter
RedPaletteColorLookupTableDescriptor RepetitionTime RescaleIntercept RescaleSlope RevolutionTime Rows SamplesPerPixel SeriesNumber
SingleCollimationWidth SliceLocation SliceThickness SmallestImagePixelValue SpacingBetweenSlices SpiralPitchFactor TableHeight
TablePosition TableSpeed TemporalPositionIndex TotalCollimationWidth WindowCenter WindowWidth XRayTubeCurrent XRayTubeCurrentInuA
NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances
"""
NUMBERS = frozenset(_NUMBERS.split())
"""Attributes whose values are numbers."""

_UIDS = """
ConcatenationUID DimensionOrganizationUID FrameOfReferenceUID SeriesInstanceUID SOPClassUID SOPInstanceUID
SOPInstanceUIDOfConcatenationSource StudyInstanceUID AvailableTransferSyntaxUID
"""
UIDS = frozenset(_UIDS.split())
"""Kept by the Retain UIDs Option."""

_DATES = "AcquisitionDate ContentDate SeriesDate StudyDate"
DATES = frozenset(_DATES.split())
"""Kept by the Retain Longitudinal Temporal Information with Full Dates Option."""

_BINARY = """
BluePaletteColorLookupTableData GreenPaletteColorLookupTableData LUTData RedPaletteColorLookupTableData
SegmentedBluePaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData
"""
BINARY = frozenset(_BINARY.split())
"""Tables a picture is shown through."""

PIXELS = frozenset({"PixelData", "FloatPixelData", "DoubleFloatPixelData"})

TAGS = frozenset({"FrameIncrementPointer"})

_SEQUENCES = """
CTAcquisitionTypeSequence CTImageFrameTypeSequence FrameAnatomySequence FrameContentSequence FrameVOILUTSequence
ModalityLUTSequence PerFrameFunctionalGroupsSequence PixelMeasuresSequence PixelValueTransformationSequence PlaneOrientationSequence
PlanePositionSequence SharedFunctionalGroupsSequence VOILUTSequence
"""
SEQUENCES = frozenset(_SEQUENCES.split())
"""Kept with what this list keeps of their items."""

_ANGLES = "F L R A P H LR RL AP PA HF FH"
_VIEWS = "AP PA LL RL RLD LLD RLO LLO LAT LATERAL OBL OBLIQUE AXIAL TAN TANGENTIAL LM ML DP PD BALLCATCHER CARPALTUNNEL SCAPHOID STRESS SKYLINE SUNRISE"
_PARTS = """
ABDOMEN ANKLE ARM CALCANEUS CARPUS CHEST CLAVICLE CSPINE ELBOW EXTREMITY FEMUR FIBULA FINGER FOOT FOREARM HAND HEAD HEEL HIP HUMERUS KNEE LEG
LOWERLEG LOWERLIMB LSPINE METACARPUS METATARSUS NECK PALM PATELLA PELVIS RADIUS RADIUSULNA SCAPHOID SCAPULA SHOULDER SKULL SPINE THIGH THORAX
THUMB TIBIA TIBFIB TIBIAFIBULA TOE TSPINE ULNA UPPERARM UPPERLIMB WHOLEBODY WRIST
"""
_MODALITIES = """
AR ASMT AU BDUS BI BMD CR CT CTPROTOCOL DG DMS DOC DX ECG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN LS MG MR M3D NM OAM OCT OP OPM OPT
OPTBSV OPTENF OPV OSS OT PLAN PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR SRF
STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
"""
_IMAGE_TYPES = """
ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER REFORMATTED MPR PROJECTION VOLUME CT_SOM5 SPI BONE SOFT STANDARD OTHER MIXED NONE MIP AVERAGE
SINGLE COMPOSITE PIXEL RESAMPLED MONOCHROME COLOR M P R I FFE SE
"""

WORDS: dict[str, frozenset[str]] = {
    "AcquisitionType": frozenset({"SEQUENCED", "SPIRAL", "CONSTANT_ANGLE", "STATIONARY", "FREE"}),
    "BodyPartExamined": frozenset(_PARTS.split()),
    "BurnedInAnnotation": frozenset({"YES", "NO"}),
    "ConversionType": frozenset({"DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"}),
    "FrameLaterality": frozenset("RLUB"),
    "FrameType": frozenset(_IMAGE_TYPES.split()),
    "ImageLaterality": frozenset("RLUB"),
    "ImageType": frozenset(_IMAGE_TYPES.split()),
    "Laterality": frozenset("RLUB"),
    "LossyImageCompression": frozenset({"00", "01"}),
    "LossyImageCompressionMethod": frozenset({"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2", "ISO_14496_10"}),
    "ModalityLUTType": frozenset({"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}),
    "Modality": frozenset(_MODALITIES.split()),
    "ModalitiesInStudy": frozenset(_MODALITIES.split()),
    "PatientOrientation": frozenset([*_ANGLES.split(), *(a + b for a in _ANGLES.split() for b in "FLRAPH" if len(a) == 1)]),
    "PatientPosition": frozenset({"HFP", "HFS", "HFDR", "HFDL", "FFDR", "FFDL", "FFP", "FFS", "LFP", "LFS", "RFP", "RFS", "AFP", "AFS", "PFP", "PFS"}),
    "PatientSex": frozenset("MFO"),
    "PhotometricInterpretation": frozenset(
        {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT"}
    ),
    "PixelIntensityRelationship": frozenset({"LIN", "LOG", "DISP"}),
    "PixelPresentation": frozenset({"MONOCHROME", "COLOR", "MIXED", "TRUE_COLOR"}),
    "PixelSpacingCalibrationType": frozenset({"GEOMETRY", "FIDUCIAL"}),
    "PresentationIntentType": frozenset({"FOR PRESENTATION", "FOR PROCESSING"}),
    "PresentationLUTShape": frozenset({"IDENTITY", "INVERSE"}),
    "QualityControlImage": frozenset({"YES", "NO", "BOTH"}),
    "RecognizableVisualFeatures": frozenset({"YES", "NO"}),
    "RescaleType": frozenset({"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}),
    "SpecificCharacterSet": frozenset({"ISO_IR 192"}),
    "VOILUTFunction": frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"}),
    "ViewPosition": frozenset(_VIEWS.split()),
    "VolumeBasedCalculationTechnique": frozenset({"NONE", "MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER", "MPR", "CURVED_MPR", "MIXED"}),
    "VolumetricProperties": frozenset({"VOLUME", "SAMPLED", "DISTORTED", "MIXED"}),
}  # fmt: skip
"""Attributes of words: each value has to be one of these."""

CODES: dict[str, dict[tuple[str, str], str]] = {
    # PS3.16 CID 4031 (common anatomic regions), the limbs
    "AnatomicRegionSequence": {
        ("SCT", code): meaning
        for code, meaning in (
            ("85856004", "Acromioclavicular joint"), ("70258002", "Ankle joint"), ("72001000", "Bone of lower limb"),
            ("371195002", "Bone of upper limb"), ("80144004", "Calcaneus"), ("816094009", "Chest"), ("51299004", "Clavicle"),
            ("16953009", "Elbow joint"), ("66019005", "Extremity"), ("71341001", "Femur"), ("87342007", "Fibula"), ("7569003", "Finger"),
            ("56459004", "Foot"), ("14975008", "Forearm"), ("85562004", "Hand"), ("69536005", "Head"), ("29836001", "Hip"),
            ("24136001", "Hip joint"), ("85050009", "Humerus"), ("72696002", "Knee"), ("30021000", "Lower leg"), ("61685007", "Lower limb"),
            ("45048000", "Neck"), ("64234005", "Patella"), ("816092008", "Pelvis"), ("706342009", "Phantom"), ("79601000", "Scapula"),
            ("16982005", "Shoulder"), ("421060004", "Spine"), ("27949001", "Tarsal joint"), ("68367000", "Thigh"), ("76505004", "Thumb"),
            ("29707007", "Toe"), ("40983000", "Upper arm"), ("53120007", "Upper limb"), ("74670003", "Wrist joint"),
        )
    },
    # PS3.16 CID 4010 (projection radiography views)
    "ViewCodeSequence": {
        ("SCT", code): meaning
        for code, meaning in (
            ("399348003", "antero-posterior"), ("272479007", "postero-anterior"), ("399312000", "antero-posterior oblique"),
            ("399059000", "postero-anterior oblique"), ("399061009", "axial"), ("399335002", "dorsoplantar"), ("399071006", "plantodorsal"),
            ("399067008", "lateral"), ("260427002", "lateral oblique"), ("399352003", "lateral-medial"), ("399173006", "left lateral"),
            ("399198007", "right lateral"), ("399260004", "medial-lateral"), ("260426006", "medial oblique"), ("399182000", "oblique"),
            ("399110001", "tangential"),
        )
    },
}  # fmt: skip
"""Sequences of codes: (scheme, code) → the meaning to write."""

EMPTY = frozenset(
    {"AccessionNumber", "Manufacturer", "PatientBirthDate", "PositionReferenceIndicator", "ReferringPhysicianName", "StudyID", "StudyTime"}
)
"""Attributes the standard wants present, of which the value is taken away (type 2)."""

REPLACED = frozenset({"PatientName", "PatientID", "PatientAge"})
"""Attributes that come back with another value: the case number, and an age of at most 90 years."""

METHOD = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
    ("113110", "Retain UIDs Option"),
)
"""De-identification Method Code Sequence: PS3.16 CID 7050, scheme DCM."""
