"""A Dynamo store: one file for each technique of the paper (SOSP 2007). See its documentation."""
