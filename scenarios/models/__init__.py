"""The life of a model: kept in versions, trained from recorded runs, evaluated, promoted, rolled back."""
