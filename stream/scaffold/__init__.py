"""A new project that runs at once: `stream init`. Its files are in `project/`, those that are filled end in .tmpl."""
