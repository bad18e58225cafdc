from gtdiag.api import IncompleteError as IncompleteError
from gtdiag.api import Watch as Watch
from gtdiag.api import analyze as analyze
from gtdiag.api import render as render
from gtdiag.api import snapshot as snapshot
from gtdiag.api import watch as watch
from gtdiag.errors import GtdiagError as GtdiagError
from gtdiag.model.report import Incident as Incident
from gtdiag.model.report import Pattern as Pattern
from gtdiag.model.report import Report as Report

__version__: str
